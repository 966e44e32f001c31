"""insights: dashboards by region, a list of orders to filter and export, scheduled reports, reports of one's own."""
