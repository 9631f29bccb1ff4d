package slack_test

import (
	"encoding/json"
	"errors"
	"regexp"
	"runtime"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"github.com/flyte-notifier/flyte-notifier/internal/slacksim"
	"github.com/flyte-notifier/flyte-notifier/notifier"
	"github.com/flyte-notifier/flyte-notifier/notifier/notifiertest"
	"github.com/flyte-notifier/flyte-notifier/notifier/slack"
)

func list(t testing.TB, blocks string) []any {
	t.Helper()
	var all []any
	require.NoError(t, json.Unmarshal([]byte(blocks), &all))
	return all
}

// own is a destination with these blocks, rendered: {{V}} is the value, {{fail}} fails.
func own(t testing.TB, blocks, value string) *slack.Destination {
	t.Helper()
	d := channel("general")
	shape := d.Shape(list(t, blocks), func(text string, insert func(before, value string) string) (string, error) {
		if strings.Contains(text, "{{fail}}") {
			return "", errors.New("line 1:2: no such thing")
		}
		var out string
		for i, part := range strings.Split(text, "{{V}}") {
			if i > 0 {
				out += insert(out[max(0, len(out)-1024):], value)
			}
			out += part
		}
		return out, nil
	})
	d.Blocks = shape.([]any)
	return d
}

func sectionOf(text string) string {
	raw, _ := json.Marshal(text)
	return `{"type": "section", "text": {"type": "mrkdwn", "text": ` + string(raw) + `}}`
}

func TestOwnBlocksArePosted(t *testing.T) {
	t.Parallel()
	sim, n := workspace(t, slacksim.Options{})
	d := own(t, `[
		{"type": "header", "text": {"type": "plain_text", "text": "{{V}} & co"}},
		{"type": "section", "text": {"type": "mrkdwn", "text": "<!here> *{{V}}*"}, "fields": [{"type": "mrkdwn", "text": "{{V}}"}]},
		{"type": "divider"},
		{"type": "rich_text", "elements": [{"type": "rich_text_preformatted", "elements": [{"type": "text", "text": "{{V}}"}]}]},
		{"type": "image", "image_url": "https://example.org/a.png", "alt_text": "a cat"},
		{"type": "actions", "elements": [{"type": "button", "text": {"type": "plain_text", "text": "Open"}, "url": "https://example.org"}]},
		{"type": "context", "elements": [{"type": "mrkdwn", "text": "small"}]}]`, "<!channel> &")
	m := notifiertest.Message()
	_, err := n.Send(t.Context(), d, m)
	require.NoError(t, err)
	got := sim.Messages("general")[0]
	require.Equal(t, "<!channel> & & co\n<!here> <!channel> &\n<!channel> &\n---\n| <!channel> &\n[a cat]\n[Open]\nsmall",
		slacksim.Render(got))
	require.Contains(t, string(got.Blocks), `"text":"\u003c!here\u003e *\u0026lt;!channel\u0026gt; \u0026amp;*"`)
	require.Contains(t, string(got.Blocks), `"verbatim":true`)
	require.Contains(t, got.Text, notifier.OneLine(m.Title), "the text for notifications is the message's")
	preview, err := d.Preview(m)
	require.NoError(t, err)
	var shown struct{ Blocks json.RawMessage }
	require.NoError(t, json.Unmarshal(preview.Payload, &shown))
	require.JSONEq(t, string(got.Blocks), string(shown.Blocks))
}

// What a template puts into mrkdwn can neither mention, nor end a link, nor decide what an author's <...> is.
func TestValuesDoNotBreakOut(t *testing.T) {
	t.Parallel()
	long := strings.Repeat("x", 1100)
	cases := []struct{ text, value, want string }{
		{"{{V}}", "<!channel> <@U1> a&b", "&lt;!channel&gt; &lt;@U1&gt; a&amp;b"},
		{"<{{V}}>", "!channel", "<>"},
		{"< {{V}}>", "!channel", "< >"},
		{"<!{{V}}>", "channel", "<!>"},
		{"<{{V}}{{V}}>", "@U1", "<>"},
		{"<{{V}}|open>", "https://example.org/?a=1&b=<2>|x", "<https://example.org/?a=1&amp;b=%3C2%3E%7Cx|open>"},
		{"<https://example.org/{{V}}|open>", "a|b> <!here", "<https://example.org/a%7Cb%3E%20%3C!here|open>"},
		{"<https://example.org|{{V}}>", "a|b>\n<!here", "<https://example.org|a¦b&gt; &lt;!here>"},
		{"<@{{V}}>", "U1", "<@U1>"},
		{"<@U1> {{V}}", "!channel", "<@U1> !channel"},
		{"elapsed < 2h: {{V}}", "out of memory | <!here>", "elapsed < 2h: out of memory | &lt;!here&gt;"},
		{"elapsed <2h> | {{V}}", "a|b", "elapsed <2h> | a|b"},
		{"if a < b | c: {{V}}", "a b|c", "if a < b | c: a b|c"},
		{"< !{{V}}>", "channel", "< !>"},
		{"<http{{V}}>", "s://evil.example|bank", "<https://evil.example%7Cbank>"},
		{"<mailto:{{V}}>", "a@b.c|bank", "<mailto:a@b.c%7Cbank>"},
		{long + "{{V}}", "a|b", long + "a¦b"},
		{long + "> {{V}}", "a|b", long + "> a|b"},
		{"<https://example.org/{{V}}" + long + "/{{V}}|open>", "a|bank", "<https://example.org/a%7Cbank" + long + "/a¦bank|open>"},
		{"{{V}}", "a\u202eb\x1b[31mred", "abred"},
	}
	for _, tc := range cases {
		shown := own(t, `[`+sectionOf(tc.text)+`]`, tc.value).Blocks[0].(map[string]any)["text"].(map[string]any)
		require.Equal(t, tc.want, shown["text"], "%q with %q", tc.text, tc.value)
		require.Equal(t, true, shown["verbatim"])
	}
}

// mention is what Slack takes for one.
var mention = regexp.MustCompile(`<\s*(![a-z]|[@#])`)

func TestNoValueMentions(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(r *rapid.T) {
		value := rapid.StringOf(rapid.SampledFrom([]rune("<>!@#|& \nhereU1https:/.^"))).Draw(r, "value")
		value = strings.Repeat("y", rapid.SampledFrom([]int{0, 0, 1010, 1100}).Draw(r, "more")) + value // a text is seen for 1 KiB
		text := rapid.SampledFrom([]string{
			"{{V}}", "a {{V}}{{V}}", "<{{V}}>", "<!{{V}}>", "<{{V}}|x>", "<https://a.b/{{V}}>", "<https://a.b|{{V}}> {{V}}",
			"<https://a.b/{{V}}{{V}}|x>", "<http{{V}}{{V}}|x>", "a < b {{V}} {{V}}",
		}).Draw(r, "text")
		d := own(t, `[`+sectionOf("- "+text)+`]`, value)
		shown := d.Blocks[0].(map[string]any)["text"].(map[string]any)["text"].(string)
		require.NotRegexp(r, mention, shown)
		require.Equal(r, strings.Count(text, "<")-strings.Count(shown, "<"), 0, "no value begins a link")
		if strings.HasSuffix(text, "|x>") {
			require.Equal(r, 1, strings.Count(shown, "|"), "no value is a link's text")
		}
	})
}

func TestProblemsOfOwnBlocks(t *testing.T) {
	t.Parallel()
	long := strings.Repeat("x", 3100)
	cases := map[string]string{
		`[]`:       "blocks: must have at least one block",
		`["text"]`: "blocks[0]: must be a block, with a type",
		`[{"type": "divider"}, {"type": "video"}]`:                                           "blocks[1].type: must be one of actions, context, divider, header, image, rich_text, section",
		`[{"type": "divider"}, {"type": "divider"}, ` + sectionOf(long) + `]`:                "blocks[2].text.text: 3100 characters are more than Slack's 3000",
		`[{"type": "section"}]`:                                                              "blocks[0]: must have text or fields",
		`[{"type": "header", "text": {"type": "mrkdwn", "text": "x"}}]`:                      "blocks[0].text: must be a text object: {type: plain_text, text: ...}",
		`[{"type": "header", "text": {"type": "plain_text", "text": " "}}]`:                  "blocks[0].text.text: required",
		`[{"type": "header", "text": {"type": "plain_text", "text": "` + long[:151] + `"}}]`: "blocks[0].text.text: 151 characters are more than Slack's 150",
		`[{"type": "context", "elements": []}]`:                                              "blocks[0].elements: must be a list of at least one",
		`[{"type": "image", "image_url": "https://a.b/c"}]`:                                  "blocks[0].alt_text: required: what the picture shows",
		`[{"type": "image", "image_url": "file:///c", "alt_text": "c"}]`:                     "blocks[0].image_url: must be an http or https URL",

		`[{"type": "{{V}}"}]`: "blocks[0].type: must be one of actions, context, divider, header, image, rich_text, section",
		`[{"type": "rich_text", "elements": [{"type": "rich_text_section", "elements": [{"type": "broadcast", "range": "{{V}}"}]}]}]`:                "blocks[0].elements[0].elements[0].range: must not be a template",
		`[{"type": "section", "text": {"type": "mrkdwn", "text": "{{V}}", "verbatim": false}}]`:                                                      "blocks[0].text.verbatim: must not be false",
		`[{"type": "divider", "block_id": "a"}, {"type": "divider", "block_id": "a"}]`:                                                               "blocks[1].block_id: is that of an earlier block",
		`[{"type": "actions", "elements": [{"type": "button", "text": {"type": "plain_text", "text": "` + long[:76] + `"}, "url": "https://a.b"}]}]`: "blocks[0].elements[0].text.text: 76 characters are more than Slack's 75",
		`[` + strings.TrimSuffix(strings.Repeat(`{"type": "divider"},`, 51), ",") + `]`:                                                              "blocks: 51 blocks are more than Slack's 50",
		`[` + strings.TrimSuffix(strings.Repeat(sectionOf(long[:2900])+",", 5), ",") + `]`:                                                           "blocks: 14",
		`[` + sectionOf("{{V}}"+long) + `]`:                        "",
		`[` + sectionOf("count < {{V}}") + `]`:                     "blocks[0].text.text: has a lone < before a template",
		`[` + sectionOf("count <{{V}} of ten") + `]`:               "blocks[0].text.text: has a lone < before a template",
		`[` + sectionOf("count &lt; {{V}} <{{V}}?a=b|open>") + `]`: "",
		`[` + sectionOf("{{V}}"+strings.Repeat(long, 17)) + `]`:    "blocks: 52760 bytes of JSON are more than 52000",
		rich(501, "{{V}}"): "blocks: 501 texts that are templates are more than 500",
		rich(500, "{{V}}"): "",
		`[` + sectionOf("*bold* <!here>") + `, {"type": "divider", "block_id": "a"}]`: "",
	}
	for blocks, want := range cases {
		d := channel("general")
		d.Blocks = list(t, blocks)
		problems := d.CheckShape()
		require.Empty(t, d.Validate(), "of a place only")
		if want == "" {
			require.Empty(t, problems, blocks)
			continue
		}
		require.NotEmpty(t, problems, blocks)
		require.Contains(t, problems[0].String(), want)
	}
	require.Empty(t, channel("general").CheckShape())
}

// Blocks that cannot be sent never lose a message: the default ones are, with a note that says why.
func TestBlocksThatFailLeaveTheDefaultMessage(t *testing.T) {
	t.Parallel()
	cases := map[string]struct{ blocks, value, why string }{
		"a template fails": {`[{"type": "divider"}, ` + sectionOf("{{fail}}") + `]`, "", "blocks[1].text.text: line 1:2: no such thing"},
		"too long":         {`[{"type": "divider"}, ` + sectionOf("{{V}}") + `]`, strings.Repeat("😀", 1600), "blocks[1].text.text: 3200 characters are more than Slack's 3000"},
		"a text like {{":   {`[` + sectionOf("{{V}}") + `]`, "{{" + strings.Repeat("x", 3000), "blocks[0].text.text: 3002 characters"},
		"all empty":        {`[` + sectionOf("{{V}}") + `]`, "", "all texts of them are empty"},
		"no URL":           {`[{"type": "image", "image_url": "{{V}}", "alt_text": "x"}]`, "javascript:alert(1)", "blocks[0].image_url: must be an http or https URL"},
	}
	for name, tc := range cases {
		sim, n := workspace(t, slacksim.Options{})
		d := own(t, tc.blocks, tc.value)
		require.Len(t, d.Blocks, 1, name)
		_, err := n.Send(t.Context(), d, notifiertest.Message())
		require.NoError(t, err, name)
		shown := slacksim.Render(sim.Messages("general")[0])
		require.Contains(t, shown, "This is the default message, because the destination's own blocks failed: ", name)
		require.Contains(t, shown, tc.why, name)
	}
}

// What Slack refuses was not posted: the default blocks take their place at once.
func TestBlocksThatSlackRefuses(t *testing.T) {
	t.Parallel()
	sim, n := workspace(t, slacksim.Options{})
	d := own(t, `[{"type": "divider"}]`, "")
	sim.Fail("chat.postMessage", slacksim.Fault{Error: "invalid_blocks"})
	receipt, err := n.Send(t.Context(), d, notifiertest.Message())
	require.NoError(t, err)
	got := sim.Messages("general")
	require.Len(t, got, 1)
	require.Contains(t, slacksim.Render(got[0]), "own blocks failed: invalid_blocks")
	sim.Fail("chat.update", slacksim.Fault{Error: "invalid_blocks"})
	_, err = n.Update(t.Context(), d, receipt, notifiertest.Message())
	require.NoError(t, err)
	sim.Fail("chat.postMessage", slacksim.Fault{Error: "invalid_blocks", Times: 2})
	_, err = n.Send(t.Context(), d, notifiertest.Message())
	mustBe(t, err, notifier.Permanent, "slack: invalid_blocks")
	sim.Fail("chat.postMessage", slacksim.Fault{Error: "internal_error"})
	_, err = n.Send(t.Context(), d, notifiertest.Message())
	mustBe(t, err, notifier.Unknown, "slack: internal_error")
	require.Len(t, sim.Messages("general"), 1)
}

func TestWhatRendersToNothingIsLeftOut(t *testing.T) {
	t.Parallel()
	d := own(t, `[
		{"type": "header", "text": {"type": "plain_text", "text": "{{V}}"}},
		{"type": "section", "text": {"type": "mrkdwn", "text": "{{V}}"}, "fields": [{"type": "mrkdwn", "text": "{{V}}"}, {"type": "mrkdwn", "text": "b"}]},
		{"type": "section", "fields": [{"type": "mrkdwn", "text": "{{V}}"}]},
		{"type": "context", "elements": [{"type": "mrkdwn", "text": "{{V}}"}]},
		{"type": "rich_text", "elements": [{"type": "rich_text_section", "elements": [{"type": "text", "text": "{{V}}"}]}]},
		{"type": "divider"}]`, "")
	raw, err := json.Marshal(d.Blocks)
	require.NoError(t, err)
	require.JSONEq(t, `[{"type": "section", "fields": [{"type": "mrkdwn", "text": "b"}]}, {"type": "divider"}]`, string(raw))
}

// Pictures, links and buttons whose text is a label that is not there.
func TestPicturesAndLinksThatRenderToNothing(t *testing.T) {
	t.Parallel()
	d := own(t, `[
		{"type": "image", "image_url": "https://a.b/c", "alt_text": "{{V}}"},
		{"type": "image", "image_url": "{{V}}", "alt_text": "c"},
		{"type": "image", "slack_file": {"url": "{{V}}"}, "alt_text": "c"},
		{"type": "section", "text": {"type": "mrkdwn", "text": "a"}, "accessory": {"type": "image", "image_url": "https://a.b/c", "alt_text": "{{V}}"}},
		{"type": "actions", "elements": [{"type": "button", "text": {"type": "plain_text", "text": "Open"}, "url": "{{V}}"}]},
		{"type": "divider"}]`, "")
	raw, err := json.Marshal(d.Blocks)
	require.NoError(t, err)
	require.JSONEq(t, `[{"type": "section", "text": {"type": "mrkdwn", "text": "a"}}, {"type": "divider"}]`, string(raw))
}

// rich is a block of so many texts.
func rich(texts int, text string) string {
	one := `{"type": "text", "text": "` + text + `"},`
	return `[{"type": "rich_text", "elements": [{"type": "rich_text_section", "elements": [` + strings.TrimSuffix(strings.Repeat(one, texts), ",") + `]}]}]`
}

// What is far over Slack's limits is not rendered any further, so that no spec fills the server's memory. It runs by
// itself: what others allocate would count.
func TestBlocksCostNoMoreThanAMessage(t *testing.T) { //nolint:paralleltest // see above
	value := strings.Repeat("x", 64<<10)
	short := strings.Repeat("x", 20)
	for name, tc := range map[string]struct {
		blocks, value, why string
		most               int
	}{
		"long values": {rich(10_000, "{{V}}"), value, "more than 52000 bytes so far; Slack takes 13000 characters in all", 1},
		"many values": {rich(10_000, "{{V}}"), short, "more than 500 of the texts are templates", 500},
		"bare texts":  {`[` + strings.TrimSuffix(strings.Repeat(`"{{V}}",`, 10_000), ",") + `]`, value, "more than 52000 bytes so far", 1},
	} {
		blocks := list(t, tc.blocks)
		renders := 0
		var before, after runtime.MemStats
		runtime.ReadMemStats(&before)
		shape := channel("general").Shape(blocks, func(text string, insert func(before, value string) string) (string, error) {
			if text != "{{V}}" {
				return text, nil
			}
			renders++
			return insert("", tc.value), nil
		})
		runtime.ReadMemStats(&after)
		require.Len(t, shape, 1, name)
		require.Contains(t, shape.([]any)[0], tc.why, name)
		require.LessOrEqual(t, renders, tc.most, name)
		require.Less(t, after.TotalAlloc-before.TotalAlloc, uint64(10<<20), name)
	}
}

func TestNotesStandBelowOwnBlocks(t *testing.T) {
	t.Parallel()
	sim, n := workspace(t, slacksim.Options{})
	m := notifiertest.Message()
	m.Notes = []string{"a template <failed>"}
	_, err := n.Send(t.Context(), own(t, `[{"type": "divider"}]`, ""), m)
	require.NoError(t, err)
	require.Equal(t, "---\na template <failed>", slacksim.Render(sim.Messages("general")[0]))
}

func TestAMessageOfSeveralHasNoOwnBlocks(t *testing.T) {
	t.Parallel()
	d := own(t, `[{"type": "divider"}]`, "")
	require.Nil(t, d.Gathered().(*slack.Destination).Blocks)
}
