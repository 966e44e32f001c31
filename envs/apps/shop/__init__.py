"""shop: three hundred products to search, filter and compare, a cart, a checkout, and a page for staff."""
