package strict

import "strings"

// Suggest returns `, did you mean "x"?` for the known word nearest to what was written, or
// nothing when none is near.
func Suggest(word string, known []string) string {
	if near := Nearest(word, known); near != "" {
		return ", did you mean " + Quote(near) + "?"
	}
	return ""
}

// Nearest returns the known word that a user who wrote word most likely meant, or nothing.
func Nearest(word string, known []string) string {
	const longest = 64
	if len(word) > longest {
		return ""
	}
	best, least := "", min(len(word), max(len(word)/3, 1)+1)
	for _, k := range known {
		if strings.EqualFold(k, word) {
			return k
		}
		if n := distance([]rune(strings.ToLower(word)), []rune(strings.ToLower(k))); n < least {
			best, least = k, n
		}
	}
	return best
}

// distance counts the insertions, deletions, replacements and swaps of neighbors between a and b.
func distance(a, b []rune) int {
	rows := make([][]int, len(a)+1)
	for i := range rows {
		rows[i] = make([]int, len(b)+1)
		rows[i][0] = i
	}
	for j := range rows[0] {
		rows[0][j] = j
	}
	for i := 1; i <= len(a); i++ {
		for j := 1; j <= len(b); j++ {
			cost := 1
			if a[i-1] == b[j-1] {
				cost = 0
			}
			rows[i][j] = min(rows[i-1][j]+1, rows[i][j-1]+1, rows[i-1][j-1]+cost)
			if i > 1 && j > 1 && a[i-1] == b[j-2] && a[i-2] == b[j-1] {
				rows[i][j] = min(rows[i][j], rows[i-2][j-2]+1)
			}
		}
	}
	return rows[len(a)][len(b)]
}
