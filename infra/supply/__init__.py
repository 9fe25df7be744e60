"""What the product is made of: its bill of materials, and known vulnerabilities of the parts."""
