import { Hono } from "hono";
import { expect, it } from "vitest";
import { answerUnknownPaths } from "./unknown_paths.ts";

const app = new Hono();
app.use(async (_c, next) => next());
app.use("/things/*", async (_c, next) => next());
app.get("/things/:id", (c) => c.text("a thing"));
app.get("/all/*", (c) => c.text("one of many"));
answerUnknownPaths(app);

it.each([
  ["GET", "/things/1", 200, "a thing"],
  ["PUT", "/things/1", 405, ""],
  ["POST", "/things/1", 405, ""],
  ["GET", "/all/of/them", 200, "one of many"],
  ["DELETE", "/all/of/them", 405, ""],
  ["GET", "/things", 404, "404 page not found\n"],
  ["POST", "/others", 404, "404 page not found\n"],
])("%s %s is answered with %i", async (method, path, status, text) => {
  const answer = await app.request(path, { method });
  expect([answer.status, await answer.text()]).toEqual([status, text]);
});
