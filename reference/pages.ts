import { join } from "node:path";
import { cliPage } from "./cli_page.ts";
import { configPage } from "./config_page.ts";
import { allPrograms } from "./programs.ts";

const FOLDER = join(import.meta.dirname, "../docs/reference");

/** The pages that are made from the code, by their files. */
export function allPages(): Record<string, string> {
  return {
    [join(FOLDER, "configuration.md")]: configPage(),
    [join(FOLDER, "cli.md")]: cliPage(allPrograms()),
  };
}
