import { useEffect, useEffectEvent, useState } from "react";

import { followRun } from "../api";
import type { Run } from "../apiTypes";

/**
 * Call `onRun` with each of a run's events while `enabled`; true while the stream is open.
 *
 * A hidden tab closes its stream: a browser opens only six connections to a server for all tabs together.
 */
export function useRunEvents(id: string, enabled: boolean, onRun: (run: Run) => void): boolean {
  const [connected, setConnected] = useState(false);
  const receive = useEffectEvent(onRun);

  useEffect(() => {
    if (!enabled) return undefined;
    let stop: (() => void) | null = null;
    const update = () => {
      stop?.();
      const listener = {
        onRun: (run: Run) => {
          receive(run);
        },
        onConnection: setConnected,
      };
      stop = document.visibilityState === "hidden" ? null : followRun(id, listener);
    };
    update();
    document.addEventListener("visibilitychange", update);
    return () => {
      document.removeEventListener("visibilitychange", update);
      stop?.();
    };
  }, [id, enabled]);

  return connected;
}
