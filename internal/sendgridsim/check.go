package sendgridsim

import (
	"fmt"
	"net/mail"
	"slices"
	"strings"
	"unicode/utf8"
)

// checker collects what is wrong with a request, each with SendGrid's field path.
type checker struct{ problems []apiError }

func (c *checker) add(field, format string, args ...any) {
	c.problems = append(c.problems, apiError{Message: fmt.Sprintf(format, args...), Field: &field})
}

// check returns SendGrid's complaints about the request.
func (b body) check() []apiError {
	c := &checker{}
	if len(b.Personalizations) == 0 {
		c.add("personalizations", "The personalizations field is required and must have at least one personalization.")
	}
	subject := b.Subject != "" || b.TemplateID != ""
	for i, p := range b.Personalizations {
		p.check(c, i, b.TemplateID != "")
		subject = subject || p.Subject != ""
	}
	if !subject {
		c.add("subject", "The subject is required. You can get around this requirement if you use a template with a subject defined or if every personalization has a subject defined.")
	}
	if !valid(b.From.Email) {
		c.add("from.email", "The from email does not contain a valid address.")
	}
	if b.ReplyTo != nil && !valid(b.ReplyTo.Email) {
		c.add("reply_to.email", "The reply_to email does not contain a valid address.")
	}
	b.checkContent(c)
	b.checkLabels(c)
	return c.problems
}

func (p personalization) check(c *checker, i int, template bool) {
	path := fmt.Sprintf("personalizations.%d", i)
	if len(p.To) == 0 {
		c.add(path+".to", "The to array is required for all personalization objects, and must have at least one email object with a valid email address.")
	}
	if n := len(p.To) + len(p.Cc) + len(p.Bcc); n > 1000 {
		c.add(path, "The total number of recipients must be no more than 1000, and there are %d.", n)
	}
	if p.Data != nil && !template {
		c.add(path+".dynamic_template_data", "Dynamic template data requires a template_id.")
	}
	seen := map[string]bool{}
	for _, list := range []struct {
		name string
		all  []address
	}{{"to", p.To}, {"cc", p.Cc}, {"bcc", p.Bcc}} {
		for j, a := range list.all {
			lower := strings.ToLower(a.Email)
			switch {
			case !valid(a.Email):
				c.add(fmt.Sprintf("%s.%s.%d.email", path, list.name, j), "Does not contain a valid address.")
			case seen[lower]:
				c.add(path, "Each email address in the personalization block should be unique between to, cc, and bcc. We found the first duplicate instance of [%s] in the %s.%s field.", a.Email, path, list.name)
			}
			seen[lower] = true
		}
	}
}

func (b body) checkContent(c *checker) {
	if len(b.Content) == 0 && b.TemplateID == "" {
		c.add("content", "Unless a valid template_id is provided, the content parameter is required. There must be at least one defined content block. We typically suggest both text/plain and text/html blocks are included, but only one block is required.")
	}
	order := []string{"text/plain", "text/html"}
	last := -1
	for i, block := range b.Content {
		if block.Value == "" {
			c.add(fmt.Sprintf("content.%d.value", i), "The content value must be a string at least one character in length.")
		}
		at := slices.Index(order, block.Type)
		if at < 0 {
			at = len(order)
		}
		if at < last {
			c.add("content", "If present, text/plain content must be first, followed by text/html content, followed by any other content.")
		}
		last = at
	}
}

func (b body) checkLabels(c *checker) {
	if len(b.Categories) > 10 {
		c.add("categories", "You cannot have more than 10 categories.")
	}
	for i, category := range b.Categories {
		if utf8.RuneCountInString(category) > 255 {
			c.add(fmt.Sprintf("categories.%d", i), "A category must be no more than 255 characters.")
		}
		if slices.Contains(b.Categories[:i], category) {
			c.add("categories", "The categories must be unique.")
		}
	}
	for name := range b.Headers {
		if reserved[strings.ToLower(name)] {
			c.add("headers", "The following headers are reserved and cannot be used: %s", name)
		}
	}
	size := 0
	for name, value := range b.CustomArgs {
		size += len(name) + len(value)
	}
	if size > 10_000 {
		c.add("custom_args", "The custom_args must be no more than 10,000 bytes.")
	}
}

// reserved are header names that SendGrid sets itself.
var reserved = map[string]bool{
	"x-sg-id": true, "x-sg-eid": true, "received": true, "dkim-signature": true, "content-type": true, "content-transfer-encoding": true,
	"to": true, "from": true, "subject": true, "reply-to": true, "cc": true, "bcc": true,
}

func valid(email string) bool {
	a, err := mail.ParseAddress(email)
	return err == nil && a.Address == email
}
