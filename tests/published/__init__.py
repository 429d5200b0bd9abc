"""Small data sets in the published formats, as the tests of their readers write them."""
