import { writeFile } from "node:fs/promises";
import { allPages } from "./pages.ts";

for (const [file, page] of Object.entries(allPages())) await writeFile(file, page);
