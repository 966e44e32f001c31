"""reports: sections, the reports of a section, and each as a CSV file."""
