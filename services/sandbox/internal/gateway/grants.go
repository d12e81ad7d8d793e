package gateway

import (
	"encoding/base64"
	"fmt"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/erpstream/erpstream/services/sandbox/internal/dataset"
	"github.com/erpstream/erpstream/services/sandbox/internal/gateway/sign"
	"github.com/erpstream/erpstream/services/sandbox/internal/random"
)

// secret is the app secret of an account set.
type secret struct {
	Text  string    `json:"text"`
	Since time.Time `json:"since"`
}

// grant is what one token call gave away.
type grant struct {
	AppKey string `json:"app_key"`
	// AppToken is the JWT, AccessToken the token of KIS calls, AuthData their header.
	AppToken    string    `json:"app_token"`
	AccessToken string    `json:"access_token"`
	AuthData    string    `json:"auth_data,omitempty"`
	Expires     time.Time `json:"expires"`
}

// kept is what the file of a vault holds.
type kept struct {
	Secrets map[string]secret `json:"secrets"` // by app key
	Grants  []grant           `json:"grants"`
}

// vault keeps app secrets and tokens.
type vault struct {
	settings Settings
	path     string // of the file; empty: none

	mu   sync.Mutex
	kept kept
}

// remembered is how long an expired token is still told from an invented one.
const remembered = 7 * 24 * time.Hour

// openVault returns the vault kept in the file at path.
func openVault(s Settings, path string) (*vault, error) {
	v := &vault{settings: s, path: path, kept: kept{Secrets: map[string]secret{}}}
	if _, err := dataset.ReadJSON(path, &v.kept); err != nil {
		return nil, fmt.Errorf("read Kingdee tokens: %w", err)
	}
	return v, nil
}

// secret returns the app secret that counts now, a new one where it has come of age.
func (v *vault) secret(appKey string, now time.Time) (string, error) {
	v.mu.Lock()
	defer v.mu.Unlock()
	held, found := v.kept.Secrets[appKey]
	if age := v.settings.RotateAfter; found && (age == 0 || now.Sub(held.Since) < age) {
		return held.Text, nil
	}
	fresh := secret{Text: random.Token(), Since: now}
	v.kept.Secrets[appKey] = fresh
	return fresh.Text, v.save()
}

// rotate replaces the app secret.
func (v *vault) rotate(appKey string, now time.Time) error {
	v.mu.Lock()
	defer v.mu.Unlock()
	v.kept.Secrets[appKey] = secret{Text: random.Token(), Since: now}
	return v.save()
}

// issue gives away new tokens of an account set. Those of before stay good until they expire:
// nothing else is known.
func (v *vault) issue(a Account, now time.Time) (grant, error) {
	v.mu.Lock()
	defer v.mu.Unlock()
	g := grant{AppKey: a.AppKey, AccessToken: random.Token(), Expires: now.Add(v.settings.TokenLife)}
	g.AppToken = v.token(g, now)
	if a.System == KIS && v.settings.AuthData {
		g.AuthData = random.Token() + random.Token()
	}
	v.kept.Grants = append(slices.DeleteFunc(v.kept.Grants, func(old grant) bool {
		return now.Sub(old.Expires) > remembered
	}), g)
	return g, v.save()
}

// token returns a JWT that says who it is for and until when.
func (v *vault) token(g grant, now time.Time) string {
	claims := fmt.Sprintf(`{"sub":%q,"iat":%d,"exp":%d,"jti":%q}`, g.AppKey, now.Unix(), g.Expires.Unix(), random.Token())
	encode := base64.RawURLEncoding.EncodeToString
	text := encode([]byte(`{"alg":"HS256","typ":"JWT"}`)) + "." + encode([]byte(claims))
	return text + "." + strings.TrimRight(sign.Seal(v.settings.ClientSecret, text), "=")
}

// expire ends the life of all tokens of an account set.
func (v *vault) expire(appKey string, now time.Time) error {
	v.mu.Lock()
	defer v.mu.Unlock()
	for i, g := range v.kept.Grants {
		if g.AppKey == appKey && g.Expires.After(now) {
			v.kept.Grants[i].Expires = now
		}
	}
	return v.save()
}

// find returns the grant for which is is true.
func (v *vault) find(is func(grant) bool) (grant, bool) {
	v.mu.Lock()
	defer v.mu.Unlock()
	i := slices.IndexFunc(v.kept.Grants, is)
	if i < 0 {
		return grant{}, false
	}
	return v.kept.Grants[i], true
}

func (v *vault) save() error {
	if err := dataset.WriteJSON(v.path, v.kept); err != nil {
		return fmt.Errorf("keep Kingdee tokens: %w", err)
	}
	return nil
}
