/** A sentence whose parts between backticks are set as code, as the API's sentences mark commands. */

export function WithCode({ children }: { children: string }) {
  return children.split("`").map((part, position, parts) =>
    // an odd part is between two backticks, unless the last of them is missing
    position % 2 === 1 && position < parts.length - 1 ? (
      <code key={position} className="break-words">
        {part}
      </code>
    ) : (
      `${position % 2 === 1 ? "`" : ""}${part}`
    ),
  );
}
