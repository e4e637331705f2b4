import { useState } from "react";

import { stretchStart } from "../lib/matrix";

/** Where the stretch of tokens begins that is shown: one that is selected elsewhere is brought into sight. */
export function useStretch(selected: number | null, size: number): [from: number, setFrom: (from: number) => void] {
  const [stretch, setStretch] = useState({ from: stretchStart(selected, size), of: selected });
  if (stretch.of !== selected) {
    setStretch({ from: selected === null ? stretch.from : stretchStart(selected, size), of: selected });
  }
  return [
    stretch.from,
    (from) => {
      setStretch({ from, of: selected });
    },
  ];
}
