/** An answer that comes in parts: asked on demand, shown as it comes, and not waited for when the page is left. */

import { useEffect, useRef, useState } from "react";

import type { PartProgress } from "../apiTypes";
import type { Asking } from "../modelApi";

export type Answer<Piece, Result> = {
  isAsking: boolean;
  progress: PartProgress | null;
  pieces: readonly Piece[];
  result: Result | null;
  error: Error | null;
};

/** The answer so far, and functions that ask, which forgets the answer before, and that stop waiting. */
export function useAnswerInParts<Piece, Result>() {
  const [answer, setAnswer] = useState<Answer<Piece, Result>>(nothing);
  const current = useRef<AbortController>(undefined);

  useEffect(
    () => () => {
      current.current?.abort();
    },
    [],
  );
  const ask = async (asking: Asking<Piece, Result>): Promise<Result | null> => {
    current.current?.abort();
    const controller = new AbortController();
    current.current = controller;
    const change = (next: (answer: Answer<Piece, Result>) => Partial<Answer<Piece, Result>>) => {
      if (!controller.signal.aborted) setAnswer((before) => ({ ...before, ...next(before) }));
    };
    setAnswer({ ...nothing<Piece, Result>(), isAsking: true });
    try {
      const result = await asking(
        {
          onProgress: (progress) => {
            change(() => ({ progress }));
          },
          onPiece: (piece) => {
            change(({ pieces }) => ({ pieces: [...pieces, piece] }));
          },
        },
        controller.signal,
      );
      change(() => ({ isAsking: false, result }));
      return controller.signal.aborted ? null : result;
    } catch (error) {
      change(() => ({ isAsking: false, error: error instanceof Error ? error : new Error(String(error)) }));
      return null;
    }
  };
  const stop = () => {
    current.current?.abort();
    setAnswer((before) => ({ ...before, isAsking: false, progress: null }));
  };
  return { ...answer, ask, stop };
}

function nothing<Piece, Result>(): Answer<Piece, Result> {
  return { isAsking: false, progress: null, pieces: [], result: null, error: null };
}
