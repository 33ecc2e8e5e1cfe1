import { render } from "preact";
import { App } from "./app.tsx";
import { Connection } from "./connection.ts";

const root = document.getElementById("app")!;
const connection = new Connection((live) => {
  render(<App live={live} retry={() => connection.connect()} />, root);
});
connection.connect();
