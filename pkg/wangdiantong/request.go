package wangdiantong

import (
	"errors"
	"fmt"
	"maps"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"

	"github.com/erpstream/erpstream/pkg/fault"
	"github.com/erpstream/erpstream/pkg/httpcall"
)

// query is one request without what is new in each attempt: time and signatures.
type query struct {
	method string
	params map[string]any // clean
	pager  *pager         // nil where a method takes neither pager nor parameters
	rows   string
}

// first reports whether the vendor is asked to count: it does so for the first page alone.
func (q query) first() bool { return q.pager != nil && q.pager.page == 0 }

// keys are the secrets in force.
type keys struct {
	app, salt string // Wangdiantong's; salt is the flagship edition's only
	top       string // Taobao's
}

// hidden lists what no text may show of a request with these values.
func (k keys) hidden(values map[string]string) httpcall.Hidden {
	return httpcall.Hide(k.app, k.salt, k.app+":"+k.salt, k.top, values["sign"], values["wdt_sign"])
}

// keys reads the secrets that edition and transport need.
func (c *Client) keys() (k keys, err error) {
	if c.cfg.Transport == Qimen {
		if k.top, err = c.secret("top_app_secret", "the secret of the Taobao app top_app_key"); err != nil {
			return k, err
		}
		if c.cfg.Edition == Enterprise {
			return k, nil
		}
	}
	if k.app, err = c.secret("app_secret", "the secret that belongs to app_key"); err != nil || c.cfg.Edition == Enterprise {
		return k, err
	}
	var ok bool
	if k.app, k.salt, ok = strings.Cut(k.app, ":"); !ok || k.app == "" || k.salt == "" {
		return keys{}, fault.Down("secret", errors.New("secret app_secret is not of the form secret:salt, as the flagship edition gives it out"))
	}
	return k, nil
}

// secret returns one secret that must be there.
func (c *Client) secret(field, what string) (string, error) {
	value, err := c.cfg.Secrets(field)
	if err != nil {
		return "", fault.Down("secret", fmt.Errorf("read secret %s: %w", field, err))
	}
	if value = strings.TrimSpace(value); value == "" {
		return "", fault.Down("secret", fmt.Errorf("secret %s is missing: put %s there", field, what))
	}
	return value, nil
}

// request returns what is sent for q at a time, and what no text may show of it. An error means
// that the query can't be right.
func (c *Client) request(q query, k keys, at time.Time) (httpcall.Request, httpcall.Hidden, error) {
	build := c.enterpriseDirect
	switch {
	case c.cfg.Edition == Flagship && c.cfg.Transport == Qimen:
		build = c.flagshipQimen
	case c.cfg.Edition == Flagship:
		return c.flagshipDirect(q, k, at)
	case c.cfg.Transport == Qimen:
		build = c.enterpriseQimen
	}
	form, address, err := build(q, k, at)
	if err != nil {
		return httpcall.Request{}, nil, fault.Permanent("request", fmt.Errorf("wangdiantong %s: %w", q.method, err))
	}
	return httpcall.Form(address, form), k.hidden(form), nil
}

// enterpriseDirect is a form to <gateway>/<name>.php (documented).
func (c *Client) enterpriseDirect(q query, k keys, at time.Time) (map[string]string, string, error) {
	form := q.pager.flat()
	form["sid"] = c.cfg.SID
	form["appkey"] = c.cfg.AppKey
	form["timestamp"] = strconv.FormatInt(at.Unix(), 10)
	if err := addFlat(form, q.params); err != nil {
		return nil, "", err
	}
	form["sign"] = SignEnterprise(k.app, form, c.cfg.CountBytes)
	return form, c.cfg.Endpoint + "/" + fileName(q.method) + ".php", nil
}

// enterpriseQimen is a form with Taobao's parameters beside flat ones of the vendor. The gateway's
// signature is the only one (seen in use).
func (c *Client) enterpriseQimen(q query, k keys, at time.Time) (map[string]string, string, error) {
	form := c.top(dotted(q.method), at)
	maps.Copy(form, q.pager.flat())
	form["sid"] = c.cfg.SID
	if err := addFlat(form, q.params); err != nil {
		return nil, "", err
	}
	form["sign"] = SignTop(k.top, c.cfg.SignMethod, form)
	return form, c.cfg.Endpoint, nil
}

// flagshipDirect is a JSON array with the method's arguments, everything else in the address
// (documented). A pager comes with the one argument of a query.
func (c *Client) flagshipDirect(q query, k keys, at time.Time) (httpcall.Request, httpcall.Hidden, error) {
	values := map[string]string{}
	body := "[]"
	if q.pager != nil {
		values = q.pager.flat()
		values["calc_total"] = "0"
		if q.first() {
			values["calc_total"] = "1"
		}
		params, err := jsonText([]any{q.params})
		if err != nil {
			return httpcall.Request{}, nil, fault.Permanent("request", fmt.Errorf("wangdiantong %s: %w", q.method, err))
		}
		body = params
	}
	values["sid"] = c.cfg.SID
	values["key"] = c.cfg.AppKey
	values["salt"] = k.salt
	values["method"] = q.method
	values["v"] = "1.0"
	values["timestamp"] = strconv.FormatInt(at.Unix()-flagshipEpoch, 10)
	values["body"] = body
	values["sign"] = SignFlagship(k.app, values)
	delete(values, "body")
	address := url.Values{}
	for name, value := range values {
		address.Set(name, value)
	}
	return httpcall.Request{
		Method: http.MethodPost,
		URL:    c.cfg.Endpoint + "?" + address.Encode(),
		Header: http.Header{"Content-Type": {"application/json; charset=UTF-8"}},
		Body:   body,
	}, k.hidden(values), nil
}

// flagshipQimen is a form with Taobao's parameters and Wangdiantong's own beside them, signed by
// both (seen in use, in the vendor's samples).
func (c *Client) flagshipQimen(q query, k keys, at time.Time) (map[string]string, string, error) {
	form := map[string]string{
		"method":     qimenMethod(q.method),
		"datetime":   FormatTime(at),
		"wdt_appkey": c.cfg.AppKey,
		"wdt_salt":   k.salt,
	}
	if q.pager != nil {
		params, err := jsonText(q.params)
		if err != nil {
			return nil, "", err
		}
		form["params"], form["pager"] = params, q.pager.json()
	}
	form["wdt_sign"] = SignQimen(k.app, form)
	form["wdt3_customer_id"] = c.cfg.SID
	maps.Copy(form, c.top(form["method"], at))
	form["sign"] = SignTop(k.top, c.cfg.SignMethod, form)
	return form, c.cfg.Endpoint, nil
}

// top returns the parameters that Taobao's gateway wants of every request (documented).
func (c *Client) top(method string, at time.Time) map[string]string {
	return map[string]string{
		"method":         method,
		"app_key":        c.cfg.TopAppKey,
		"target_app_key": c.cfg.TargetAppKey,
		"timestamp":      FormatTime(at),
		"format":         "json",
		"v":              "2.0",
		"sign_method":    string(c.cfg.SignMethod),
	}
}

// shopQuery is the one method that the two names of the enterprise edition's methods differ for:
// directly it is the file shop (seen in use).
const shopQuery = "shop_query"

// fileName returns the enterprise edition's name of a method, which may be given as Qimen names
// it: stockin_order_query for wdt.stockin.order.query (seen in use for all methods).
func fileName(method string) string {
	name := strings.ReplaceAll(strings.TrimPrefix(method, "wdt."), ".", "_")
	if name == shopQuery {
		return "shop"
	}
	return name
}

// dotted returns Qimen's name of an enterprise method, which may be given as the file's.
func dotted(method string) string {
	name := fileName(method)
	if name == "shop" {
		name = shopQuery
	}
	return "wdt." + strings.ReplaceAll(name, "_", ".")
}

// qimenMethod returns Qimen's name of a flagship method: wdt.aftersales.refund.refund.search for
// aftersales.refund.Refund.search (documented).
func qimenMethod(method string) string {
	return "wdt." + strings.ToLower(strings.TrimPrefix(method, "wdt."))
}
