"""console: the settings of a workspace, its members, access keys and devices, with a guard for unsaved changes."""
