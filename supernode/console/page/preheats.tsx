import { useRef, useState } from "preact/hooks";
import type { Entries, PreheatOrder, PreheatView } from "../messages.ts";
import { bytes, clock, counted, duration, percent } from "./format.ts";
import { basicAuthorization, manifestUrl } from "./image_reference.ts";

type Outcome = { good: boolean; text: string } | undefined;

/** Has the supernode fetch an image or a file before anyone asks for it, and shows how far that is. */
export function Preheats({ preheats, nowMs }: { preheats: Entries<PreheatView>; nowMs: number }) {
  const latest = Object.entries(preheats).sort(([, a], [, b]) => b.startMs - a.startMs);
  return (
    <section id="preheat" aria-labelledby="preheat-title">
      <h2 id="preheat-title">Preheat</h2>
      <p class="quiet">
        The supernode fetches it now, so that the first pull takes nothing from the registry.
      </p>
      <Form />
      {latest.length > 0 && (
        <table class="preheats">
          <thead>
            <tr>
              <th scope="col">What</th>
              <th scope="col">State</th>
              <th scope="col">Progress</th>
              <th scope="col">Began</th>
            </tr>
          </thead>
          <tbody>
            {latest.map(([id, preheat]) => (
              <Row key={id} preheat={preheat} nowMs={nowMs} />
            ))}
          </tbody>
        </table>
      )}
    </section>
  );
}

function Row({ preheat, nowMs }: { preheat: PreheatView; nowMs: number }) {
  const { name, status, files, filesDone, startMs, finishMs, error } = preheat;
  const part = preheat.bytes > 0 ? preheat.bytesDone / preheat.bytes : 0;
  const isOver = status === "SUCCESS" || status === "FAILED";
  return (
    <tr>
      <th scope="row">
        <span class="name">{name}</span>
        {error && <span class="bad">{error}</span>}
      </th>
      <td data-label="State">
        <span class={`badge ${status.toLowerCase()}`}>{STATUS[status]}</span>
      </td>
      <td class="progress" data-label="Progress">
        <progress max={1} value={status === "SUCCESS" ? 1 : part} aria-label={`Preheat of ${name}`}>
          {percent(part)}
        </progress>
        <span class="quiet">
          {files === 0
            ? isOver
              ? "–"
              : "reading the manifest"
            : `${bytes(preheat.bytesDone)} of ${bytes(preheat.bytes)}, ${filesDone} of ${counted(files, "file")}`}
        </span>
      </td>
      <td data-label="Began" class="nowrap">
        <time dateTime={new Date(startMs).toISOString()}>{clock(startMs)}</time>{" "}
        <span class="quiet">
          {isOver && finishMs > 0
            ? `took ${duration(finishMs - startMs)}`
            : `${duration(nowMs - startMs)} ago`}
        </span>
      </td>
    </tr>
  );
}

const STATUS = { WAITING: "waiting", RUNNING: "running", SUCCESS: "done", FAILED: "failed" };

function Form() {
  const [type, setType] = useState<"image" | "file">("image");
  const [outcome, setOutcome] = useState<Outcome>();
  const [busy, setBusy] = useState(false);
  const form = useRef<HTMLFormElement>(null);
  const what = useRef<HTMLInputElement>(null);

  const submit = async (event: Event) => {
    event.preventDefault();
    const order = orderFrom(type, new FormData(form.current!));
    if ("problem" in order) {
      setOutcome({ good: false, text: order.problem });
      what.current?.focus();
      return;
    }
    setBusy(true);
    const sent = await send(order);
    setBusy(false);
    setOutcome(sent);
    if (sent?.good) form.current?.reset();
  };
  const isImage = type === "image";
  return (
    <form ref={form} onSubmit={(event) => void submit(event)} autocomplete="off" noValidate>
      <fieldset class="choice">
        <legend>Fetch</legend>
        {(["image", "file"] as const).map((one) => (
          <label key={one}>
            <input
              type="radio"
              name="type"
              value={one}
              checked={type === one}
              onChange={() => setType(one)}
            />
            {one === "image" ? "an image" : "a file"}
          </label>
        ))}
      </fieldset>
      <label class="wide">
        {isImage ? "Image" : "URL"}
        <input
          ref={what}
          name="what"
          spellcheck={false}
          autocapitalize="off"
          placeholder={isImage ? "registry.example/team/app:1.2" : "https://example.net/file.tar"}
          aria-describedby="preheat-outcome"
          aria-invalid={outcome && !outcome.good ? true : undefined}
        />
      </label>
      {isImage && (
        <label>
          Platform
          <input name="platform" list="platforms" placeholder="all" spellcheck={false} />
          <datalist id="platforms">
            <option value="linux/amd64" />
            <option value="linux/arm64" />
          </datalist>
        </label>
      )}
      <details>
        <summary>It needs a login</summary>
        <div class="fields">
          <label>
            User <input name="user" spellcheck={false} autocapitalize="off" autocomplete="off" />
          </label>
          <label>
            Password <input name="password" type="password" autocomplete="new-password" />
          </label>
          <span class="quiet">Used for this preheat, and not kept.</span>
        </div>
      </details>
      <button type="submit" class="main" disabled={busy}>
        Preheat
      </button>
      <p id="preheat-outcome" class={outcome?.good === false ? "bad" : "good"} role="status">
        {outcome?.text}
      </p>
    </form>
  );
}

/** What the form asks for, or what is wrong with it. */
function orderFrom(type: "image" | "file", form: FormData): PreheatOrder | { problem: string } {
  const text = (name: string) => String(form.get(name) ?? "").trim();
  const authorization = basicAuthorization(text("user"), String(form.get("password") ?? ""));
  const headers: Record<string, string> = authorization ? { Authorization: authorization } : {};
  if (type === "file") {
    const url = text("what");
    if (!/^https?:\/\/[^/]/i.test(url) || !URL.canParse(url))
      return { problem: "A file's URL begins with http:// or https://." };
    return { type, url, headers };
  }
  const manifest = manifestUrl(text("what"));
  if ("problem" in manifest) return manifest;
  const platform = text("platform");
  if (platform !== "" && !/^[^/\s]+\/[^/\s]+(\/[^/\s]+)?$/.test(platform))
    return { problem: `“${platform}” is no platform: try linux/amd64, or leave it empty for all.` };
  return { type, url: manifest.url, headers, ...(platform ? { platform } : {}) };
}

async function send(order: PreheatOrder): Promise<Outcome> {
  try {
    const answer = await fetch("/console/preheats", {
      method: "POST",
      headers: { "content-type": "application/json", "x-dragonfly-console": "1" },
      body: JSON.stringify(order),
    });
    if (answer.ok) return { good: true, text: "Begun: see below how far it is." };
    const { message = `the supernode answers ${answer.status}` } = (await answer
      .json()
      .catch(() => ({}))) as { message?: string };
    return { good: false, text: message };
  } catch {
    return { good: false, text: "The supernode does not answer. Try again when it is back." };
  }
}
