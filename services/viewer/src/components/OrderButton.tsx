/** Which end of an order comes first, and the way to the other. */

type Props = { order: "asc" | "desc"; onTurn: () => void };

export function OrderButton({ order, onTurn }: Props) {
  return (
    <button type="button" className="control" onClick={onTurn}>
      {order === "desc" ? "highest first ↓" : "lowest first ↑"}
    </button>
  );
}
