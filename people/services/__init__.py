"""Every write to users, projects, memberships and tokens."""
