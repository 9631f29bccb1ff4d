package sendgrid

import (
	"cmp"
	"slices"
	"strconv"
	"strings"

	"github.com/sendgrid/sendgrid-go/helpers/mail"

	"github.com/flyte-notifier/flyte-notifier/notifier"
	"github.com/flyte-notifier/flyte-notifier/notifier/email"
	"github.com/flyte-notifier/flyte-notifier/notifier/exchange"
)

// keyArgument is the custom argument that holds the delivery's key: SendGrid's event webhook and
// activity feed tell it, so that copies of one mail can be found.
const keyArgument = "flyte_notifier_key"

// body is the request that sends m to d.
func (n *Notifier) body(d *Destination, m notifier.Message) ([]byte, error) {
	subject := d.subject(m)
	mailing := mail.NewV3Mail()
	mailing.SetFrom(mail.NewEmail(n.from.Name, n.from.Addr))
	mailing.Subject = subject
	mailing.Categories = categories(d.Categories)
	if key := notifier.Cut(notifier.OneLine(m.Key), 500); key != "" {
		mailing.SetCustomArg(keyArgument, key)
	}
	for _, h := range email.Headers(n.config.ListUnsubscribe) {
		mailing.SetHeader(h.Name, h.Value)
	}
	people, err := address(mailing, d)
	if err != nil {
		return nil, err
	}
	// Without this, an account's settings may replace the links by SendGrid's own.
	mailing.SetTrackingSettings(mail.NewTrackingSettings().
		SetClickTracking(mail.NewClickTrackingSetting().SetEnable(false).SetEnableText(false)).
		SetOpenTracking(mail.NewOpenTrackingSetting().SetEnable(n.config.OpenTracking)))
	if n.config.Sandbox {
		mailing.SetMailSettings(mail.NewMailSettings().SetSandboxMode(mail.NewSetting(true)))
	}
	if d.TemplateID != "" {
		mailing.SetTemplateID(d.TemplateID)
		people.DynamicTemplateData = templateData(m, subject)
		return exchange.JSON(mailing) // the library's GetRequestBody posts an empty body on failure
	}
	html, err := email.HTML(m)
	if err != nil {
		return nil, err
	}
	mailing.AddContent(mail.NewContent("text/plain", email.Text(m)), mail.NewContent("text/html", html))
	return exchange.JSON(mailing)
}

// address fills in whom the mail goes to. SendGrid refuses an address that comes twice, so that
// the first of to, cc and bcc counts.
func address(mailing *mail.SGMailV3, d *Destination) (*mail.Personalization, error) {
	recipients, err := d.people().Parse()
	if err != nil {
		return nil, err
	}
	people := mail.NewPersonalization()
	people.To, people.CC, people.BCC = listed(recipients.To), listed(recipients.Cc), listed(recipients.Bcc)
	mailing.AddPersonalizations(people)
	if r := recipients.ReplyTo; r != nil {
		mailing.SetReplyTo(mail.NewEmail(r.Name, r.Addr))
	}
	return people, nil
}

func listed(all []email.Address) []*mail.Email {
	var made []*mail.Email
	for _, a := range all {
		made = append(made, mail.NewEmail(a.Name, a.Addr))
	}
	return made
}

// categories are those that SendGrid takes: neither empty, as a template may be, nor too long, nor given twice.
func categories(list []string) []string {
	var all []string
	for _, s := range list {
		if s = notifier.Cut(notifier.OneLine(s), maxCategory); s != "" && !slices.Contains(all, s) {
			all = append(all, s)
		}
	}
	return all
}

// templateData is what a dynamic template gets. Inputs too large for a mail are left out rather
// than the mail.
func templateData(m notifier.Message, subject string) map[string]any {
	const most = 1 << 20
	data := map[string]any{}
	for name, value := range m.Vars {
		data[name] = portable(value)
	}
	data["title"], data["subject"], data["status"] = email.Subject(m.Title), subject, string(m.Status)
	data["body"] = cmp.Or(strings.TrimSpace(portable(m.Body).(string)), email.Text(m))
	if raw, err := exchange.JSON(data); err != nil || len(raw) > most {
		data["Inputs"] = nil
	}
	return data
}

// portable is the value as JavaScript, which renders the templates, shows it rightly: whole
// numbers that a float64 does not hold become text. Long texts are cut.
func portable(v any) any {
	const exact, longest = 1 << 53, 64 << 10
	switch v := v.(type) {
	case string:
		return notifier.Cut(notifier.Printable(v), longest)
	case int64:
		if v > exact || v < -exact {
			return strconv.FormatInt(v, 10)
		}
	case uint64:
		if v > exact {
			return strconv.FormatUint(v, 10)
		}
	case []any:
		all := make([]any, len(v))
		for i := range v {
			all[i] = portable(v[i])
		}
		return all
	case map[string]string:
		all := make(map[string]any, len(v))
		for key := range v {
			all[key] = portable(v[key])
		}
		return all
	case map[string]any:
		all := make(map[string]any, len(v))
		for key := range v {
			all[key] = portable(v[key])
		}
		return all
	}
	return v
}
