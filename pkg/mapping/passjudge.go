package mapping

// ruling is a quality rule in a pass.
type ruling struct {
	label     string
	otherwise Else
	condition source
	check     *valueCheck
	each      *walk
	field     source
	claim     Claim
}

// ruling compiles a quality rule.
func (c *passCompiler) ruling(r *rule) ruling {
	compiled := ruling{label: r.label, otherwise: r.otherwise, check: r.check}
	if r.condition != nil {
		compiled.condition = c.expression(r.condition, 0)
		return compiled
	}
	depth := 0
	if r.check.each != nil && !r.check.unique {
		compiled.each = c.walk(r.check.each, 0)
		depth = 1
	}
	compiled.field = c.expression(r.check.field, depth)
	compiled.claim = Claim{Rule: r.label, Field: r.check.field.text, Within: r.check.within, Else: r.otherwise}
	return compiled
}

// judge applies the quality rules. It gives up where the record is to die or to wait.
func (o *onePass) judge(p *pass, result *Result) (ok bool) {
	for i := range o.rules {
		r := &o.rules[i]
		holds, ok := r.judge(p, result)
		switch {
		case !ok:
			return false
		case holds:
		case r.otherwise == Drop && result.Dropped == "":
			result.Dropped = r.label
		case r.otherwise == Drop:
		case r.otherwise == Warn:
			result.Warnings = append(result.Warnings, r.label)
		default:
			return false
		}
	}
	if result.Dropped != "" {
		result.Claims = nil
	}
	return true
}

// judge reports whether the record keeps the rule.
func (r *ruling) judge(p *pass, result *Result) (holds, ok bool) {
	switch {
	case r.condition != nil:
		return r.condition.truth(p)
	case r.check.unique:
		return true, r.claims(p, result)
	case r.each == nil:
		return r.look(p)
	}
	n, ok := r.each.start(p, 0)
	holds = true
	for i := 0; i < n && ok && holds; i++ {
		r.each.next(p, i+1)
		p.levels[r.each.level].index = 0 // it is known in map only
		holds, ok = r.look(p)
	}
	return holds, ok
}

// look checks one value.
func (r *ruling) look(p *pass) (holds, ok bool) {
	t, ok := r.field(p)
	if !ok {
		return false, false
	}
	why, err := r.check.broken(t.value(), &p.scope)
	return why == "", err == nil
}

// claims notes the value that must be this document's own.
func (r *ruling) claims(p *pass, result *Result) (ok bool) {
	t, ok := r.field(p)
	if !ok || t.isBlank() {
		return ok
	}
	claim := r.claim
	if claim.Value, ok = scalarText(t.value()); ok {
		result.Claims = append(result.Claims, claim)
	}
	return ok
}
