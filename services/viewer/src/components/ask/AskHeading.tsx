/** The heading of what is asked of the models on request, with the button that asks, or stops asking. */

type Props = {
  id: string;
  title: string;
  /** What the button that asks says at first. */
  verb: string;
  canAsk: boolean;
  isAsking: boolean;
  hasFailed: boolean;
  onAsk: () => void;
  onStop: () => void;
};

export function AskHeading({ id, title, verb, canAsk, isAsking, hasFailed, onAsk, onStop }: Props) {
  return (
    <div className="flex flex-wrap items-baseline gap-x-4 gap-y-1">
      <h3 id={id} className="font-semibold">
        {title}
      </h3>
      {canAsk && !isAsking && (
        <button type="button" className="control" onClick={onAsk}>
          {hasFailed ? "Try again" : verb}
        </button>
      )}
      {isAsking && (
        <button type="button" className="control" onClick={onStop}>
          Stop
        </button>
      )}
    </div>
  );
}
