// The rollout's own, bundled for this benchmark, too.
import "../rollout/pull_program.ts";
