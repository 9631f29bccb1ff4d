package notifier_test

import (
	"strings"
	"testing"
	"unicode"
	"unicode/utf8"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"github.com/flyte-notifier/flyte-notifier/notifier"
)

func TestPrintable(t *testing.T) {
	t.Parallel()
	for in, want := range map[string]string{
		"":                                 "",
		"plain\ttext\n":                    "plain\ttext\n",
		"a\r\nb\rc\vd\fe\u2028f\u0085g":    "a\nb\nc\nd\ne\nf\ng",
		"\x00a\x07b\x7fc\u009dd":           "abcd",
		"\x1b[1;31mred\x1b[0m":             "red",
		"\x1b]0;title\x07text":             "text",
		"\x1b]8;;https://evil\x1b\\x":      "x",
		"\x1b]52;c;aGk=":                   "",
		"\x1bcreset \x1b(B \x1b=":          "reset  ",
		"\x1b[2J\x1b[Hhome":                "home",
		"\u009b31mc1":                      "c1",
		"ends with \x1b":                   "ends with ",
		"\u202Etxt.exe\u202C\u2066x\u2069": "txt.exex",
		"\uFEFFbom":                        "bom",
		"bad \xff\xfe utf8":                "bad \uFFFD utf8",
		"é 😀 👩‍👩‍👧 שלום":                   "é 😀 👩‍👩‍👧 שלום",
		"<b>&\"'`*_~":                      "<b>&\"'`*_~",
	} {
		require.Equal(t, want, notifier.Printable(in), "%q", in)
	}
}

func TestPrintableHolds(t *testing.T) {
	t.Parallel()
	text := rapid.Custom(func(t *rapid.T) string {
		parts := rapid.SliceOf(rapid.OneOf(
			rapid.String(), rapid.SampledFrom([]string{"\x1b", "[", "]", "0", ";", "m", "\x07", "\u009b", "\u202e", "\r", "\xff", "\\"}),
		)).Draw(t, "parts")
		return strings.Join(parts, "")
	})
	rapid.Check(t, func(t *rapid.T) {
		got := notifier.Printable(text.Draw(t, "text"))
		if !utf8.ValidString(got) || notifier.Printable(got) != got {
			t.Fatalf("%q is not printable", got)
		}
		for _, r := range got {
			if r != '\n' && r != '\t' && unicode.IsControl(r) || unicode.Is(unicode.Bidi_Control, r) {
				t.Fatalf("%q holds %U", got, r)
			}
		}
	})
}

func FuzzPrintable(f *testing.F) {
	f.Add("\x1b[31mred\x1b[0m\r\n\u202e")
	f.Fuzz(func(t *testing.T, s string) {
		if got := notifier.Printable(s); !utf8.ValidString(got) || strings.ContainsAny(got, "\x1b\u009b\x00\r\u202e") {
			t.Fatalf("%q", got)
		}
	})
}
