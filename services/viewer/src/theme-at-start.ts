/*
 * Sets the chosen colours before anything is painted. A file of its own and no module, because the page's security policy
 * forbids scripts inside it and modules run too late. The names are those of lib/theme.ts.
 */
try {
  const theme = localStorage.getItem("saescope-theme");
  if (theme === "light" || theme === "dark") document.documentElement.dataset.theme = theme;
} catch {
  // storage is forbidden here: the system's colours it is
}
