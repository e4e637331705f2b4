/** The fake API's labels: what is said of features, and how it is changed. */

import type { Label, LabelChange } from "../src/apiTypes";

export function labelOf(featureId: number, said: Partial<Label> = {}): Label {
  return { feature_id: featureId, label: null, note: null, starred: false, author: null, updated_at: null, ...said };
}

/** All labels after a change, and the changed one. */
export function changedLabels(labels: Label[], featureId: number, sent: Partial<LabelChange>) {
  const change = { ...sent };
  delete change.if_updated_at;
  const before = labels.find(({ feature_id: id }) => id === featureId) ?? labelOf(featureId);
  const label: Label = { ...before, ...change, updated_at: "2026-11-23T10:30:00.000000+00:00" };
  return { label, labels: [...labels.filter((one) => one !== before), label] };
}
