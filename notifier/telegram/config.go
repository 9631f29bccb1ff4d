package telegram

import (
	"cmp"
	"errors"
	"regexp"

	"github.com/flyte-notifier/flyte-notifier/notifier"
	"github.com/flyte-notifier/flyte-notifier/notifier/exchange"
)

// Config is what the server's config says of a Telegram connection, which is one bot.
type Config struct {
	Token  notifier.Secret  `json:"token" required:"true" doc:"the bot's token, as BotFather gives it (123456:ABC...): where it is kept, never the token itself"`
	APIURL exchange.BaseURL `json:"api_url,omitempty" doc:"base URL of the Bot API, for a server of one's own or a test; default https://api.telegram.org"`
}

var tokenForm = regexp.MustCompile(`^[0-9]+:[A-Za-z0-9_-]+$`)

// token reads the token, and refuses what would lead to another path.
func (c *Config) token() (string, error) {
	token, err := c.Token.Value()
	if err != nil {
		return "", err
	}
	if !tokenForm.MatchString(token) {
		return "", errors.New("secret " + c.Token.String() + " must hold a bot's token, such as 123456:ABC-def")
	}
	return token, nil
}

// method is the URL of one of the Bot API's methods, which holds the token.
func (c *Config) method(token, name string) string {
	return cmp.Or(c.APIURL, "https://api.telegram.org").Join("bot" + token + "/" + name)
}
