package notifier

import "regexp"

// bareURL is a URL in running text, without the punctuation that ends a sentence.
var bareURL = regexp.MustCompile(`https?://[^\s<>"|]*[^\s<>"|.,;:!?)'\]}]`)

// plainURL is what LeadingURL finds.
var plainURL = regexp.MustCompile(`^https?://[0-9A-Za-z][0-9A-Za-z._~/?#&=+%,;:@!$-]*[0-9A-Za-z_/]`)

// LeadingURL is the web address that s begins with, as far as nothing in it ends a link or begins something else in
// Markdown; empty if there is none.
func LeadingURL(s string) string { return plainURL.FindString(s) }

// FindURLs returns where the web addresses in running text begin and end, at most so many of them; -1 is all.
func FindURLs(text string, most int) [][]int { return bareURL.FindAllStringIndex(text, most) }
