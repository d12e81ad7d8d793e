package jushuitan

// initToken serves getInitToken: a merchant's own app asks for its tokens. Clients in the field
// send odd grant types and codes of any alphabet, so only the code has to be there.
func (s *Server) initToken(c *call) (any, error) {
	if s.settings.AppKind == "isv" {
		return nil, errSelfOnly
	}
	if c.params["code"] == "" {
		return nil, missing("code")
	}
	return s.tokens.issue(c.now)
}

// accessToken serves accessToken: an app trades the code of the browser redirect for tokens.
func (s *Server) accessToken(c *call) (any, error) {
	if c.params["code"] == "" {
		return nil, missing("code")
	}
	if c.params["grant_type"] != "authorization_code" {
		return nil, badParameter("grant_type")
	}
	return s.tokens.issue(c.now)
}

// refreshToken serves refreshToken.
func (s *Server) refreshToken(c *call) (any, error) {
	for _, field := range []string{"grant_type", "refresh_token", "scope"} {
		if c.params[field] == "" {
			return nil, missing(field)
		}
	}
	if c.params["grant_type"] != "refresh_token" {
		return nil, badParameter("grant_type")
	}
	if s.settings.AppKind == "isv" {
		return nil, errISVRefresh
	}
	return s.tokens.refresh(c.params["refresh_token"], c.now)
}
