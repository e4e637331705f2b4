/** The form of a new run, made from the options that the API offers. */

import { type SubmitEvent, useEffect, useId, useRef, useState } from "react";
import { useLocation, useSearch } from "wouter";

import { ApiError } from "../api";
import type { Options } from "../apiTypes";
import { groupOptions, readFormValues, requestBody } from "../lib/runForm";
import { runPath } from "../lib/runStatus";
import { useStartRun } from "../runQueries";
import { OptionField } from "./OptionField";
import { AccessTokenField } from "./AccessTokenField";

export function NewRunForm({ options: { options, data_files, needs_token } }: { options: Options }) {
  const search = useSearch();
  const [, navigate] = useLocation();
  const [values, setValues] = useState(() => readFormValues(search));
  const start = useStartRun();
  const form = useRef<HTMLFormElement>(null);
  const filesId = useId();
  const { main, more } = groupOptions(options);

  const { error } = start;
  const field = error instanceof ApiError && error.field !== null && error.field in options ? error.field : null;
  const [showMore, setShowMore] = useState(() => more.some((name) => name in values));
  useEffect(() => {
    const wrong = field === null ? null : form.current?.elements.namedItem(field);
    if (wrong instanceof HTMLElement) wrong.focus();
  }, [field, error]);

  const submit = (event: SubmitEvent) => {
    event.preventDefault();
    start.mutate(requestBody(values, options), {
      onSuccess: (id) => {
        navigate(runPath(id));
      },
    });
  };
  const fields = (names: string[]) => (
    <div className="grid gap-x-6 gap-y-4 sm:grid-cols-2 lg:grid-cols-3">
      {names.map((name) => {
        const option = options[name];
        return option === undefined ? null : (
          <OptionField
            key={name}
            name={name}
            option={option}
            value={values[name] ?? ""}
            error={name === field && error !== null ? error.message : null}
            filesId={filesId}
            onChange={(value) => {
              setValues({ ...values, [name]: value });
              if (name === field) start.reset();
            }}
          />
        );
      })}
    </div>
  );
  return (
    <form ref={form} onSubmit={submit} aria-label="New run" className="space-y-5">
      <p className="text-muted">A field that is left empty keeps its default, shown in grey.</p>
      {fields(main)}
      <details
        open={showMore || (field !== null && more.includes(field))}
        onToggle={(event) => {
          setShowMore(event.currentTarget.open);
        }}
      >
        <summary className="mb-4 w-fit cursor-pointer text-accent">More options</summary>
        {fields(more)}
      </details>
      <datalist id={filesId}>
        {data_files.map((file) => (
          <option key={file} value={file} />
        ))}
      </datalist>
      {needs_token === true && <AccessTokenField />}
      {error !== null && field === null && (
        <p role="alert" className="break-words text-danger">
          {error.message}
        </p>
      )}
      <button type="submit" className="control border-accent font-medium text-accent" disabled={start.isPending}>
        {start.isPending ? "Starting…" : "Start the run"}
      </button>
    </form>
  );
}
