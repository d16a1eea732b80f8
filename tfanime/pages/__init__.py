"""What all HTML pages have in common: template, style sheet, numbers, pictures, and a server on this machine."""
