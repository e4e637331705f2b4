import { Link } from "wouter";

import { Message } from "../components/Message";
import { usePageTitle } from "../hooks/usePage";

export function NotFoundPage() {
  usePageTitle("Not found");
  return (
    <Message title="There is no such page">
      <Link href="/" className="text-accent underline">
        All features
      </Link>
    </Message>
  );
}
