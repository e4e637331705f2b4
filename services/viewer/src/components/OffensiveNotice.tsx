/** What is said once in every browser: the texts are the dataset's. */

import { useState } from "react";

import { readPreference, writePreference } from "../lib/preferences";

export function OffensiveNotice() {
  const [seen, setSeen] = useState(() => readPreference("notice") === "seen");
  if (seen) return null;
  return (
    <aside aria-label="Notice" className="border-b border-line bg-sunken">
      <div className="mx-auto flex max-w-[100rem] items-center gap-x-4 px-4 py-1.5 sm:px-6">
        <p className="grow">
          The texts come from the dataset as they are. Nobody has checked them, and some may be offensive.
        </p>
        <button
          type="button"
          className="control shrink-0"
          onClick={() => {
            writePreference("notice", "seen");
            setSeen(true);
          }}
        >
          Understood
        </button>
      </div>
    </aside>
  );
}
