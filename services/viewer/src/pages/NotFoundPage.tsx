import { Link } from "wouter";

import { ContentPlaceholder } from "../components/ContentPlaceholder";
import { usePageTitle } from "../hooks/usePage";

export function NotFoundPage() {
  usePageTitle("Not found");
  return (
    <ContentPlaceholder title="There is no such page">
      <Link href="/" className="text-accent underline">
        All features
      </Link>
    </ContentPlaceholder>
  );
}
