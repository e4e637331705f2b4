"""HTTP: endpoints declared, requests checked, answers kept and sent, events, the viewer's files. It knows no runs."""
