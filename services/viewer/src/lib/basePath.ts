/** Where the viewer begins in the address, which may be below a proxy's prefix: the page's base says so. */

/** The path without a slash at its end; "" at the root. */
export function basePath(): string {
  return new URL(".", document.baseURI).pathname.replace(/\/$/, "");
}

/** The whole address of a path such as /api/runs. */
export function absoluteUrl(path: string): URL {
  return new URL(`${basePath()}${path}`, window.location.origin);
}
