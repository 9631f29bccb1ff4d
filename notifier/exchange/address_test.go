package exchange_test

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/flyte-notifier/flyte-notifier/notifier/exchange"
)

func TestBaseURL(t *testing.T) {
	t.Parallel()
	for address, want := range map[string]string{
		"": "must be an http or https URL", "https://api.example.org": "", "http://127.0.0.1:8080/base/": "",
		"api.example.org": "must be an http or https URL", "ftp://x": "must be an http or https URL", "https://": "must be an http or https URL",
		"https://x\x00": "must be an http or https URL", "https://a:b@x": "must have no user, query or fragment",
		"https://x?": "must have no user, query or fragment", "https://x?a=b": "must have no user, query or fragment", "https://x#f": "must have no user, query or fragment",
	} {
		var u exchange.BaseURL
		if err := u.UnmarshalText([]byte(address)); want != "" {
			require.EqualError(t, err, want, address)
			require.Empty(t, u)
		} else {
			require.NoError(t, err)
			require.Equal(t, exchange.BaseURL(address), u)
		}
	}
	require.Equal(t, "https://x/base/v2/send", exchange.BaseURL("https://x/base/").Join("v2/send"))
	require.Equal(t, "https://x/", exchange.BaseURL("https://x").Join(""))
}

func TestWebLink(t *testing.T) {
	t.Parallel()
	const most = 100
	long := "https://x.example.org/" + strings.Repeat("x", most)
	for address, want := range map[string]string{
		"https://x.example.org/a?b=c&d=e#f": "https://x.example.org/a?b=c&d=e#f", "HTTP://x": "http://x",
		"https://x/a b|c>d)e]f": "https://x/a%20b%7Cc%3Ed%29e%5Df", "https://x/?q=a\"b<c": "https://x/?q=a%22b%3Cc", "https://x/é?é": "https://x/%C3%A9?%C3%A9",
		"https://x/%28": "https://x/%28", "https://x/a_b*c~": "https://x/a_b*c~", "https://[::1]:80/[x]": "https://[::1]:80/%5Bx%5D", "https://é.org": "https://%C3%A9.org",
		"": "", "javascript:alert(1)": "", "file:///etc/passwd": "", "slack://x": "", "/relative": "", "https://user@x": "", "https://": "", "https://:80/": "", `https://x"><script>/`: "", "https://x)/": "", "https://x/\n": "",
		long: "", long[:most]: long[:most],
	} {
		require.Equal(t, want, exchange.WebLink(address, most), address)
	}
}
