"""The store: what must outlive the process, in one SQL database. The only part of the router that speaks SQL."""
