using Kvant.Tests.Formats;
using LLama;
using LLama.Common;
using LLama.Sampling;
using LlamaStateBars;

namespace Kvant.LLamaSharp.Tests;

public sealed class SessionTests
{
    [Fact]
    public async Task SessionGoesOnAsLLamaSharpsOwnDoes()
    {
        using var folder = new TemporaryFolder();
        string own = Path.Combine(folder.Root, "own"), compressed = Path.Combine(folder.Root, "compressed");
        using (Engine engine = Mini.Open())
        {
            var session = new ChatSession(new InteractiveExecutor(engine.Context));
            Assert.NotEmpty(await Say(session, "It was a dark night, and the old man sat by the fire."));
            session.SaveSession(own);
            session.SaveCompressedSession(compressed, Mini.Exact);
            session.SaveCompressedSession(compressed, Mini.Exact); // replaces it
        }

        Assert.False(File.Exists(Path.Combine(compressed, ChatSession.MODEL_STATE_FILENAME)));
        Assert.Equal(2, Directory.GetDirectories(folder.Root).Length);
        string wanted = await GoOn(session => session.LoadSession(own)), found = await GoOn(session => session.LoadCompressedSession(compressed));
        Assert.NotEmpty(wanted);
        Assert.Equal(wanted, found);
    }

    [Fact]
    public async Task DamagedStateLeavesTheSessionAlone()
    {
        using var folder = new TemporaryFolder();
        string saved = Path.Combine(folder.Root, "saved"), state = Path.Combine(saved, "ModelState.kvant");
        using Engine engine = Mini.Open();
        var session = new ChatSession(new InteractiveExecutor(engine.Context));
        await Say(session, "It was a dark night.");
        session.SaveCompressedSession(saved);
        byte[] bytes = File.ReadAllBytes(state), before = Mini.State(engine);
        bytes[^200] ^= 1;
        File.WriteAllBytes(state, bytes);
        int messages = session.History.Messages.Count;
        Assert.Throws<InvalidDataException>(() => session.LoadCompressedSession(saved));
        Assert.Equal(before, Mini.State(engine));
        Assert.Equal(messages, session.History.Messages.Count);
    }

    [Fact]
    public void SessionThatSaidNothingIsSavedWithoutAState()
    {
        using var folder = new TemporaryFolder();
        string saved = Path.Combine(folder.Root, "saved");
        using Engine engine = Mini.Open();
        var session = new ChatSession(new InteractiveExecutor(engine.Context));
        session.AddSystemMessage("Speak of the sea.");
        session.SaveCompressedSession(saved);
        var another = new ChatSession(new InteractiveExecutor(engine.Context));
        another.LoadCompressedSession(saved);
        Assert.Equal("Speak of the sea.", Assert.Single(another.History.Messages).Content);
    }

    /// <summary>A folder of somebody's, named by mistake, is left alone; a name with a separator behind it is the same name.</summary>
    [Fact]
    public async Task FolderOfSomebodyElseIsNotReplaced()
    {
        using var folder = new TemporaryFolder();
        string saved = Path.Combine(folder.Root, "saved"), diary = Path.Combine(folder.Root, "diary.txt"), note = Path.Combine(saved, "note.txt");
        using Engine engine = Mini.Open();
        var session = new ChatSession(new InteractiveExecutor(engine.Context));
        await Say(session, "It was a dark night.");
        File.WriteAllText(diary, "mine");
        Assert.Contains("diary.txt", Assert.Throws<IOException>(() => session.SaveCompressedSession(folder.Root)).Message, StringComparison.Ordinal);
        Assert.Throws<IOException>(() => session.SaveCompressedSession(diary));
        Assert.Equal("mine", File.ReadAllText(diary));

        session.SaveCompressedSession(saved + Path.DirectorySeparatorChar);
        session.SaveCompressedSession(saved + Path.DirectorySeparatorChar);
        session.SaveSession(saved + "-own");
        session.SaveCompressedSession(saved + "-own"); // LLamaSharp's own is a session as well
        session.LoadCompressedSession(saved + Path.DirectorySeparatorChar);
        File.WriteAllText(note, "mine");
        Assert.Contains("note.txt", Assert.Throws<IOException>(() => session.SaveCompressedSession(saved)).Message, StringComparison.Ordinal);
        session.LoadCompressedSession(saved);
        Assert.Equal([saved, saved + "-own"], Directory.GetDirectories(folder.Root).Order(StringComparer.Ordinal));
    }

    private static async Task<string> GoOn(Action<ChatSession> load)
    {
        using Engine engine = Mini.Open();
        var session = new ChatSession(new InteractiveExecutor(engine.Context));
        load(session);
        return await Say(session, " Then he said");
    }

    private static async Task<string> Say(ChatSession session, string text)
    {
        string answer = "";
        await foreach (string part in session.ChatAsync(new ChatHistory.Message(AuthorRole.User, text), new InferenceParams { MaxTokens = 20, SamplingPipeline = new GreedySamplingPipeline() }))
            answer += part;
        return answer;
    }
}
