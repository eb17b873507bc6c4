// Package record is the meaning of DNS record sets to a failover, apart from any provider: whose a name is, and which
// changes give it to somebody else.
//
// A name has its addresses in A and AAAA sets, and beside it a lease that says who wrote them: one TXT at
// _dnsfailover.<name>, see [Encode]. [Read] makes a reading of what lies there, and [Batch] the changes that
// replace exactly that. A provider that makes all changes of a batch or none, and refuses to delete what is not as it was
// told, thereby compares and swaps.
package record
