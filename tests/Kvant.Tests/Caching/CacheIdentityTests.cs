using Kvant.Caching;

namespace Kvant.Tests.Caching;

public sealed class CacheIdentityTests
{
    [Fact]
    public void IdentitiesAreEqualByTheirTexts()
    {
        var one = new CacheIdentity { Weights = "sha256:00", Positions = "rope 10000" };
        Assert.Equal(one, new CacheIdentity { Weights = "sha256:00", Positions = "rope 10000" });
        Assert.NotEqual(one, one with { Note = "" });
        Assert.Equal("weights 'sha256:00', positions 'rope 10000'", one.ToString());
        Assert.Equal("no identity", new CacheIdentity().ToString());
    }

    [Fact]
    public void TextThatAFileWouldChangeIsRefused()
    {
        Assert.Equal("\U0001F600\uFFFD", new CacheIdentity { Note = "\U0001F600\uFFFD" }.Note);
        Assert.Contains("surrogate", Assert.Throws<ArgumentException>(() => new CacheIdentity { Note = "a\uD800" }).Message, StringComparison.Ordinal);
        Assert.Contains("1025", Assert.Throws<ArgumentException>(() => new CacheIdentity { Weights = new string('w', 1025) }).Message, StringComparison.Ordinal);
    }
}
