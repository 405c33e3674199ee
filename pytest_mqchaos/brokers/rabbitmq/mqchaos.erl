%% The part of pytest-mqchaos that runs in Erlang.
%%
%%   Python --lines--> shell VM (main/3: one process a request) --erpc--> broker's VM (everything else)
%%
%% A request is one line: its number, its time-out in milliseconds, a function of this module, and each
%% argument as `=` and base64. An answer is one line: the number, `ok` or `error`, and JSON, all ASCII.
%% The shell VM compiles this text once and loads the result into the broker's VM, again whenever that VM
%% is a new one. When its input ends, the one who asked is gone: it takes the broker with it.
-module(mqchaos).
-export([main/3]).
-export([about/0, census/1, topology/1, exists/2, create/2, delete/1, vhosts/0, stop/0, start/0, halt_node/0]).
-export([look/1]).

%%% The shell ------------------------------------------------------------------------------------------

main(Node, Binary, Epmd) ->
    io:put_chars("0 ok null\n"),
    loop(Node, Binary, Epmd).

loop(Node, Binary, Epmd) ->
    case io:get_line("") of
        Line when is_list(Line); is_binary(Line) ->
            [Id, Timeout, Function | Arguments] = string:lexemes(string:trim(to_list(Line)), " "),
            spawn(fun() ->
                {Status, Value} = request(Node, Binary, list_to_integer(Timeout), list_to_atom(Function),
                                          [base64:decode(A) || "=" ++ A <- Arguments]),
                io:put_chars([Id, $\s, Status, $\s, json(Value), $\n])
            end),
            loop(Node, Binary, Epmd);
        _EndOfInput ->
            catch erpc:call(Node, mqchaos, halt_node, [], 2000),
            _ = [os:cmd("kill " ++ Epmd) || Epmd =/= ""],
            halt(0)
    end.

%% A signal to the broker's VM is sent from here, since a frozen VM does not answer.
request(_Node, _Binary, _Timeout, signal, [Name, Pid]) ->
    {"ok", list_to_binary(os:cmd(io_lib:format("kill -~s ~s", [Name, Pid])))};
request(Node, Binary, Timeout, Function, Arguments) ->
    try {"ok", erpc:call(Node, mqchaos, Function, Arguments, Timeout)}
    catch
        error:{exception, undef, [{mqchaos, Function, _, _} | _]} when Binary =/= loaded ->
            try erpc:call(Node, code, load_binary, [mqchaos, "mqchaos", Binary], Timeout) of
                _ -> request(Node, loaded, Timeout, Function, Arguments)
            catch _:Reason -> {"error", text(Reason)}
            end;
        error:{erpc, Reason} -> {"error", text(Reason)};
        error:{exception, Reason, _} -> {"error", text(Reason)};
        _:Reason -> {"error", text(Reason)}
    end.

text(Reason) -> iolist_to_binary(io_lib:format("~0tp", [Reason])).

to_list(Line) when is_binary(Line) -> binary_to_list(Line);
to_list(Line) -> Line.

%%% The broker -----------------------------------------------------------------------------------------

about() ->
    {ok, Version} = application:get_key(rabbit, vsn),
    #{version => list_to_binary(Version), pid => list_to_binary(os:getpid()),
      otp => list_to_binary(erlang:system_info(otp_release))}.

stop() -> rabbit:stop(), true.

%% `rabbit:start` returns at once while an earlier boot has served its first clients and not yet ended.
start() -> start(500).

start(Left) ->
    rabbit:start(),
    case rabbit:is_running() of
        true -> true;
        false when Left > 0 -> timer:sleep(20), start(Left - 1)
    end.

halt_node() -> erlang:halt(0, [{flush, false}]).

vhosts() -> rabbit_vhost:list_names().

create(VHost, User) ->
    case rabbit_vhost:exists(VHost) of
        true -> ok;
        false -> rabbit_vhost:add(VHost, <<"mqchaos">>)
    end,
    ok = rabbit_auth_backend_internal:set_permissions(User, VHost, <<".*">>, <<".*">>, <<".*">>, <<"mqchaos">>),
    true.

delete(VHost) ->
    case rabbit_vhost:exists(VHost) of
        true -> rabbit_vhost:delete(VHost, <<"mqchaos">>), true;
        false -> false
    end.

exists(VHost, Queue) ->
    case rabbit_amqqueue:lookup(rabbit_misc:r(VHost, queue, Queue)) of
        {ok, _} -> true;
        _ -> false
    end.

topology(VHost) ->
    #{exchanges => maps:from_list([{name(I), atom_to_binary(proplists:get_value(type, I))}
                                   || I <- rabbit_exchange:info_all(VHost, [name, type])]),
      bindings => [binding(maps:from_list(I)) || I <- rabbit_binding:info_all(VHost)]}.

name(Info) ->
    {resource, _, _, Name} = proplists:get_value(name, Info),
    Name.

binding(#{source_name := Source, destination_name := Destination, destination_kind := Kind,
          routing_key := Key, arguments := Arguments}) ->
    #{exchange => Source, destination => Destination, kind => Kind, routing_key => Key,
      arguments => table(Arguments)}.

%%% The census -----------------------------------------------------------------------------------------
%% A queue answers for itself: a classic queue's process, a quorum queue's Raft leader. A message may pass
%% from one queue to another (dead letters) between two answers, so the queues are read until two readings
%% in a row agree, at most five times. A reading that moved is exact for no one.

census(VHost) -> census(VHost, reading(VHost), 4).

census(_VHost, Reading, 0) -> [Q#{exact => false} || Q <- Reading];
census(VHost, Reading, Left) ->
    case reading(VHost) of
        Reading -> Reading;
        Other -> census(VHost, Other, Left - 1)
    end.

reading(VHost) ->
    Queues = lists:sort(rabbit_amqqueue:list(VHost)),
    [flush(amqqueue:get_type(Q), Q) || Q <- Queues],
    [maps:merge(settings(Q), counts(amqqueue:get_type(Q), Q)) || Q <- Queues].

%% A classic queue answers `info` before messages that are already waiting in its mailbox (priority 9
%% against 0), so a delivery on its way would be overlooked. A call of priority 0 that changes nothing (a
%% channel that it never knew is down) goes behind them.
flush(rabbit_classic_queue, Q) ->
    catch gen_server2:call(amqqueue:get_pid(Q), {notify_down, self()}, 2000);
flush(_, _) ->
    ok.

counts(rabbit_classic_queue, Q) ->
    Items = [messages_ready, messages_unacknowledged, messages, consumers, state],
    try maps:from_list(rabbit_amqqueue:info(Q, Items)) of
        #{messages_ready := Ready, messages_unacknowledged := Unacked, messages := All,
          consumers := Consumers, state := State} when is_integer(Ready), is_integer(Unacked) ->
            #{ready => Ready, unacknowledged => Unacked, transit => max(0, All - Ready - Unacked),
              consumers => Consumers, exact => State =:= running};
        _ -> #{}
    catch _:_ -> #{}
    end;
counts(rabbit_quorum_queue, Q) ->
    try ra:consistent_query(amqqueue:get_pid(Q), fun mqchaos:look/1, 2000) of
        {ok, #{} = Counts, _Leader} -> Counts;
        _ -> #{}
    catch _:_ -> #{}
    end;
counts(_, Q) ->
    try maps:from_list(rabbit_amqqueue:info(Q, [messages, consumers])) of
        #{messages := All, consumers := Consumers} when is_integer(All) -> #{ready => All, consumers => Consumers};
        _ -> #{}
    catch _:_ -> #{}
    end.

%% Runs in the leader, on the state itself.
look(State) ->
    #{num_ready_messages := Ready, num_checked_out := Out, config := Config} = Seen = rabbit_fifo:overview(State),
    #{ready => Ready, unacknowledged => Out, consumers => rabbit_fifo:query_consumer_count(State), exact => true,
      transit => maps:get(num_discarded, Seen, 0) + maps:get(num_discard_checked_out, Seen, 0),
      limit => limit(maps:get(delivery_limit, Config, undefined))}.

limit(Limit) when is_integer(Limit) -> Limit;
limit({_, Limit}) when is_integer(Limit) -> Limit;
limit(_) -> undefined.

settings(Q) ->
    {resource, _, _, Name} = amqqueue:get_name(Q),
    #{name => Name, type => type(amqqueue:get_type(Q)), durable => amqqueue:is_durable(Q),
      exclusive => amqqueue:get_exclusive_owner(Q) =/= none, auto_delete => amqqueue:is_auto_delete(Q),
      arguments => table(amqqueue:get_arguments(Q)), policy => policy(rabbit_policy:effective_definition(Q)),
      ready => 0, unacknowledged => 0, transit => 0, consumers => 0, exact => false, limit => undefined}.

type(rabbit_classic_queue) -> <<"classic">>;
type(rabbit_quorum_queue) -> <<"quorum">>;
type(rabbit_stream_queue) -> <<"stream">>;
type(Other) -> Other.

policy(Definition) when is_list(Definition) -> maps:from_list(Definition);
policy(Definition) when is_map(Definition) -> Definition;
policy(_) -> #{}.

%%% Values ---------------------------------------------------------------------------------------------

table(Table) -> maps:from_list([{Name, value(Type, Value)} || {Name, Type, Value} <- Table]).

value(table, Value) -> table(Value);
value(array, Value) -> [value(T, V) || {T, V} <- Value];
value(void, _) -> undefined;
value(decimal, {Scale, Value}) -> Value / math:pow(10, Scale);
value(_, Value) -> Value.

json(true) -> "true";
json(false) -> "false";
json(undefined) -> "null";
json(Atom) when is_atom(Atom) -> json(atom_to_binary(Atom));
json(Number) when is_integer(Number) -> integer_to_list(Number);
json(Number) when is_float(Number) -> io_lib:format("~p", [Number]);
json(Text) when is_binary(Text) -> [$", [escape(C) || C <- characters(Text)], $"];
json(List) when is_list(List) -> [$[, lists:join($,, [json(V) || V <- List]), $]];
json(Map) when is_map(Map) ->
    [${, lists:join($,, [[json(key(K)), $:, json(V)] || {K, V} <- maps:to_list(Map)]), $}];
json(Other) -> json(text(Other)).

key(Key) when is_atom(Key) -> atom_to_binary(Key);
key(Key) when is_binary(Key) -> Key;
key(Key) -> text(Key).

characters(Text) ->
    case unicode:characters_to_list(Text) of
        List when is_list(List) -> List;
        _NotUtf8 -> binary_to_list(Text)
    end.

escape($") -> "\\\"";
escape($\\) -> "\\\\";
escape(C) when C < 32; C > 126, C < 16#10000 -> io_lib:format("\\u~4.16.0b", [C]);
escape(C) when C >= 16#10000 ->
    Rest = C - 16#10000,
    io_lib:format("\\u~4.16.0b\\u~4.16.0b", [16#D800 + (Rest bsr 10), 16#DC00 + (Rest band 16#3FF)]);
escape(C) -> C.
