"""Making data: generated objects and real meshes, rendered and annotated. Nothing else imports this wing."""
