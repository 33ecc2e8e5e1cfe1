// The rollout's own, bundled for this benchmark, too.
import "../rollout/registry_program.ts";
