"""The bundled tasks, one YAML file each."""
