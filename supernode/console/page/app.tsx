import { useEffect, useState } from "preact/hooks";
import type { Live } from "./connection.ts";
import { Files } from "./files.tsx";
import { clock, counted, duration } from "./format.ts";
import { Nodes } from "./nodes.tsx";
import { Overview } from "./overview.tsx";
import { Preheats } from "./preheats.tsx";
import { Problems } from "./problems.tsx";

const SECTIONS = ["Traffic", "Files", "Nodes", "Preheat", "Problems"] as const;

/** The whole page. */
export function App({ live, retry }: { live: Live; retry: () => void }) {
  const nowMs = useClock() + live.aheadMs;
  const { view, state } = live;
  useEffect(() => {
    document.title = view
      ? `${view.supernode.host}: ${counted(view.totals.downloading, "download")} – Dragonfly`
      : "Dragonfly console";
  }, [view?.supernode.host, view?.totals.downloading]);

  return (
    <>
      <a class="skip" href="#main">
        Skip to content
      </a>
      <header>
        <img src="/console/icon.svg" alt="" width="28" height="28" />
        <h1>
          Dragonfly <span class="quiet">{view ? view.supernode.host : "console"}</span>
        </h1>
        <nav aria-label="Sections">
          {SECTIONS.map((name) => (
            <a key={name} href={`#${name.toLowerCase()}`}>
              {name}
            </a>
          ))}
        </nav>
        <p class={`state ${state}`} role="status">
          {{ connecting: "Connecting", live: "Live", lost: "Not connected" }[state]}
        </p>
      </header>
      {state === "lost" && (
        <div class="banner" role="alert">
          <p>
            <strong>No connection to the supernode.</strong>{" "}
            {live.reason || "It may be restarting; downloads on the nodes go on meanwhile."}
            {view && ` What you see is from ${clock(live.heardMs)}.`}
          </p>
          <button type="button" onClick={retry}>
            Try again now
          </button>
        </div>
      )}
      {view?.supernode.draining && (
        <div class="banner">
          <p>
            <strong>This supernode is draining.</strong> It takes no new work; what runs goes on. To
            end that: <code>dfctl drain --undo</code>
          </p>
        </div>
      )}
      <main id="main" tabIndex={-1} class={state === "lost" ? "stale" : ""}>
        {view ? (
          <>
            <Overview totals={view.totals} history={live.history} nowMs={nowMs} />
            <Files files={view.files} totals={view.totals} address={view.supernode.address} />
            <Nodes nodes={view.nodes} totals={view.totals} nowMs={nowMs} />
            <Preheats preheats={view.preheats} nowMs={nowMs} />
            <Problems problems={view.problems} total={view.totals.problems} nowMs={nowMs} />
            <footer>
              Supernode {view.supernode.version} on {view.supernode.runtime}, known to nodes as{" "}
              {view.supernode.address}, CDN pattern {view.supernode.cdnPattern}, up for{" "}
              {duration(nowMs - view.supernode.startedMs)}. <a href="/metrics">Metrics</a>
            </footer>
          </>
        ) : (
          state === "connecting" && <p class="empty">Asking the supernode…</p>
        )}
      </main>
    </>
  );
}

/** This browser's clock, ms since the epoch, once a second. */
function useClock(): number {
  const [nowMs, setNowMs] = useState(Date.now());
  useEffect(() => {
    const timer = setInterval(() => setNowMs(Date.now()), 1000);
    return () => clearInterval(timer);
  }, []);
  return nowMs;
}
