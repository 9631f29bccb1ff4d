package notifier

import "regexp"

// bareURL is a URL in running text, without the punctuation that ends a sentence.
var bareURL = regexp.MustCompile(`https?://[^\s<>"|]*[^\s<>"|.,;:!?)'\]}]`)

// FindURLs returns where the web addresses in running text begin and end, at most so many of them; -1 is all.
func FindURLs(text string, most int) [][]int { return bareURL.FindAllStringIndex(text, most) }
