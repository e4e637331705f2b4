/** What the fake API says a run was made of; names that are out to break the page are among it. */

import type { Provenance } from "../src/apiTypes";

export const PROVENANCE: Provenance = {
  command: "saescope run --source 'my headlines.csv' --layer 6",
  source: {
    source: "my headlines.csv",
    file: "my headlines.csv",
    format: "csv",
    bytes: 319_912,
    text_column: "a\u202eb",
  },
  model: { name: "gpt2", hook: "blocks.6.hook_resid_post", commit: "0123abcd", files: { "config.json": "c0ffee" } },
  autoencoder: { name: "v5_32k", address: null, num_bytes: 19_000_000, sha256: "beef", activation: "TopK", k: 32 },
  versions: { saescope: "0.1.0", torch: "2.13.0" },
  processor: { name: "A processor", device: "cpu" },
  rows_hash: "feed",
  files: [
    { name: "features/", num_files: 3, num_bytes: 4_300_000 },
    { name: "metadata.json", num_files: 1, num_bytes: 950 },
  ],
};
