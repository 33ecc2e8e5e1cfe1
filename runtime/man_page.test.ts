import { expect, test } from "vitest";
import { createCommand } from "./command_line.ts";
import { manPage } from "./man_page.ts";

test("a man page has flags, sub-commands, and nothing that roff would take for its own", () => {
  const program = createCommand("dfx")
    .description("Moves files.\n.so it says.")
    .option("--rate-limit <rate>", "a \\ and 'quotes'");
  program.addCommand(
    createCommand("config")
      .description("print it")
      .addCommand(createCommand("check").description("check it").option("--all", "everything")),
  );
  const page = manPage(program, 8);
  expect(page).toMatch(/^\.TH DFX 8 /);
  expect(page).toContain("dfx \\- moves files");
  expect(page).toContain("\n\\&.so it says.");
  expect(page).toContain(".B \\-\\-rate\\-limit <rate>\na \\e and 'quotes'");
  expect(page).toContain(".SS config check [options]\ncheck it\n.TP\n.B \\-\\-all\neverything");
});
