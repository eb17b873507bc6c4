package awstest

import "strconv"

// failRoute53 writes an error as Route 53 does.
func failRoute53(x *xmlWriter, err *Error, requestID string, form ErrorForm) {
	if err.Code == "InvalidChangeBatch" && form == MessagesForm {
		messages := err.Messages
		if messages == nil {
			messages = []string{err.Message}
		}
		x.document("InvalidChangeBatch", func() {
			x.open("Messages")
			for _, m := range messages {
				x.elem("Message", m)
			}
			x.close("Messages")
			x.elem("RequestId", requestID)
		})
		return
	}
	blame := "Sender"
	if err.Status >= 500 {
		blame = "Receiver"
	}
	x.document("ErrorResponse", func() {
		x.open("Error")
		x.elem("Type", blame)
		x.elem("Code", err.Code)
		x.elem("Message", err.Message)
		x.close("Error")
		x.elem("RequestId", requestID)
	})
}

// writeRoute53 writes the answer to any action of Route 53.
func writeRoute53(x *xmlWriter, out any, action string) {
	x.document(action+"Response", func() {
		switch out := out.(type) {
		case ChangeInfo:
			x.open("ChangeInfo")
			x.elem("Id", out.ID)
			x.elem("Status", out.Status)
			x.elem("SubmittedAt", out.SubmittedAt.UTC().Format(ec2Time))
			x.optional("Comment", out.Comment)
			x.close("ChangeInfo")
		case ListRecordsOutput:
			x.open("ResourceRecordSets")
			for i := range out.Sets {
				x.recordSet(&out.Sets[i])
			}
			x.close("ResourceRecordSets")
			x.elem("IsTruncated", strconv.FormatBool(out.Truncated))
			x.elem("MaxItems", strconv.Itoa(out.MaxItems))
			x.optional("NextRecordName", out.Next.Name)
			x.optional("NextRecordType", out.Next.Type)
			x.optional("NextRecordIdentifier", out.Next.SetID)
		case ZoneInfo:
			x.hostedZone(&out)
			if !out.Private {
				x.open("DelegationSet")
				x.open("NameServers")
				for _, s := range out.NameServers {
					x.elem("NameServer", s[:len(s)-1])
				}
				x.close("NameServers")
				x.close("DelegationSet")
			}
		case ListZonesOutput:
			x.listZones(&out)
		}
	})
}

// document writes an outermost element of Route 53.
func (x *xmlWriter) document(name string, content func()) {
	x.open(name + ` xmlns="` + route53Space + `"`)
	content()
	x.close(name)
}

func (x *xmlWriter) listZones(out *ListZonesOutput) {
	x.open("HostedZones")
	for i := range out.Zones {
		x.hostedZone(&out.Zones[i])
	}
	x.close("HostedZones")
	x.elem("IsTruncated", strconv.FormatBool(out.Truncated))
	x.elem("MaxItems", strconv.Itoa(out.MaxItems))
	if !out.byName {
		x.optional("Marker", out.In.Marker)
		x.optional("NextMarker", out.Next.ID)
		return
	}
	x.optional("DNSName", out.In.Name)
	x.optional("HostedZoneId", out.In.ID)
	x.optional("NextDNSName", out.Next.Name)
	x.optional("NextHostedZoneId", out.Next.ID)
}

func (x *xmlWriter) hostedZone(z *ZoneInfo) {
	x.open("HostedZone")
	x.elem("Id", "/hostedzone/"+z.ID)
	x.elem("Name", z.Name)
	x.elem("CallerReference", z.ID)
	x.open("Config")
	x.optional("Comment", z.Comment)
	x.elem("PrivateZone", strconv.FormatBool(z.Private))
	x.close("Config")
	x.elem("ResourceRecordSetCount", strconv.Itoa(z.RecordSets))
	x.close("HostedZone")
}

func (x *xmlWriter) recordSet(r *RecordSet) {
	x.open("ResourceRecordSet")
	x.elem("Name", r.Name)
	x.elem("Type", r.Type)
	x.optional("SetIdentifier", r.SetID)
	if r.Weight != nil {
		x.elem("Weight", strconv.FormatInt(*r.Weight, 10))
	}
	x.optional("Region", r.Region)
	x.optional("Failover", r.Failover)
	if r.MultiValue {
		x.elem("MultiValueAnswer", "true")
	}
	if r.Alias != nil {
		x.open("AliasTarget")
		x.elem("HostedZoneId", r.Alias.ZoneID)
		x.elem("DNSName", r.Alias.DNSName)
		x.elem("EvaluateTargetHealth", strconv.FormatBool(r.Alias.EvaluateTargetHealth))
		x.close("AliasTarget")
	} else {
		x.elem("TTL", strconv.FormatInt(r.TTL, 10))
		x.open("ResourceRecords")
		for _, v := range r.Values {
			x.open("ResourceRecord")
			x.elem("Value", v)
			x.close("ResourceRecord")
		}
		x.close("ResourceRecords")
	}
	x.optional("HealthCheckId", r.HealthCheckID)
	x.close("ResourceRecordSet")
}
