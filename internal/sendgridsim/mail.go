package sendgridsim

import (
	"encoding/json"
	"errors"
	"io"
	"mime"
	"net/http"
)

// Mail is a mail that the server accepted, for all its recipients. Addresses are bare.
type Mail struct {
	ID           string
	From         string
	FromName     string
	ReplyTo      string
	To           []string
	Cc           []string
	Bcc          []string
	Subject      string
	Text         string
	HTML         string
	Categories   []string
	CustomArgs   map[string]string
	Headers      map[string]string
	TemplateID   string
	TemplateData map[string]any
	Sandbox      bool // sandbox mode was on: only seen through a Fault with Store
}

// apiError is one entry of SendGrid's errors list.
type apiError struct {
	Message string  `json:"message"`
	Field   *string `json:"field"`
	Help    any     `json:"help"`
}

// refusal is an answer other than success.
type refusal struct {
	status int
	errors []apiError
}

func refuse(w http.ResponseWriter, status int, errs ...apiError) {
	answer(w, status, map[string]any{"errors": errs})
}

type address struct {
	Email string `json:"email"`
	Name  string `json:"name"`
}

type personalization struct {
	To      []address      `json:"to"`
	Cc      []address      `json:"cc"`
	Bcc     []address      `json:"bcc"`
	Subject string         `json:"subject"`
	Data    map[string]any `json:"dynamic_template_data"`
}

type content struct {
	Type  string `json:"type"`
	Value string `json:"value"`
}

// body is the part of a mail/send request that we look at.
type body struct {
	Personalizations []personalization `json:"personalizations"`
	From             address           `json:"from"`
	ReplyTo          *address          `json:"reply_to"`
	Subject          string            `json:"subject"`
	Content          []content         `json:"content"`
	TemplateID       string            `json:"template_id"`
	Categories       []string          `json:"categories"`
	CustomArgs       map[string]string `json:"custom_args"`
	Headers          map[string]string `json:"headers"`
	Settings         struct {
		Sandbox struct {
			Enable bool `json:"enable"`
		} `json:"sandbox_mode"`
	} `json:"mail_settings"`
}

func readMail(r io.Reader, contentType string) (Mail, *refusal) {
	raw, err := io.ReadAll(r)
	if _, tooLarge := errors.AsType[*http.MaxBytesError](err); tooLarge {
		return Mail{}, &refusal{http.StatusRequestEntityTooLarge, []apiError{{Message: "The JSON payload you have included in your request is too large."}}}
	}
	if media, _, err := mime.ParseMediaType(contentType); err != nil || media != "application/json" {
		return Mail{}, &refusal{http.StatusUnsupportedMediaType, []apiError{{Message: "Content-Type should be application/json."}}}
	}
	var b body
	if err := json.Unmarshal(raw, &b); err != nil {
		return Mail{}, &refusal{http.StatusBadRequest, []apiError{{Message: "Bad Request"}}}
	}
	if problems := b.check(); len(problems) > 0 {
		return Mail{}, &refusal{http.StatusBadRequest, problems}
	}
	return b.mail(), nil
}

// mail is the request as one mail; several personalizations are joined.
func (b body) mail() Mail {
	m := Mail{
		From: b.From.Email, FromName: b.From.Name, Subject: b.Subject, Categories: b.Categories,
		CustomArgs: b.CustomArgs, Headers: b.Headers, TemplateID: b.TemplateID, Sandbox: b.Settings.Sandbox.Enable,
	}
	if b.ReplyTo != nil {
		m.ReplyTo = b.ReplyTo.Email
	}
	for _, p := range b.Personalizations {
		m.To = append(m.To, emails(p.To)...)
		m.Cc = append(m.Cc, emails(p.Cc)...)
		m.Bcc = append(m.Bcc, emails(p.Bcc)...)
		if p.Subject != "" {
			m.Subject = p.Subject
		}
		if p.Data != nil {
			m.TemplateData = p.Data
		}
	}
	for _, c := range b.Content {
		switch c.Type {
		case "text/plain":
			m.Text = c.Value
		case "text/html":
			m.HTML = c.Value
		}
	}
	return m
}

func emails(all []address) []string {
	var bare []string
	for _, a := range all {
		bare = append(bare, a.Email)
	}
	return bare
}
